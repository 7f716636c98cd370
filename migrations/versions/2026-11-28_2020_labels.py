"""Labels and notes of jobs and datasets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c41d7e9a20b5"
down_revision = "5b0c7e21f9d4"
branch_labels = None
depends_on = None

TABLES = ("jobs", "datasets")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in TABLES:
        op.add_column(
            table,
            sa.Column(
                "labels", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
            ),
        )
        op.add_column(table, sa.Column("notes", sa.Text(), nullable=True))
        op.create_index(
            f"ix_{table}_labels",
            table,
            ["labels"],
            postgresql_using="gin",
            postgresql_ops={"labels": "jsonb_path_ops"},
        )


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(f"ix_{table}_labels", table)
        op.drop_column(table, "notes")
        op.drop_column(table, "labels")
