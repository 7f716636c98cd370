"""Exports that a job asks for: its list, and which runs have not requested theirs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "8e31d5f0a2c7"
down_revision = "7d20c4e9b1a6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("jobs", sa.Column("exports", postgresql.JSONB(), nullable=True))
    op.add_column("runs", sa.Column("exports_due", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    due = sa.text("exports_due AND state = 'completed'")
    op.create_index("ix_runs_exports_due", "runs", ["finished_at"], postgresql_where=due)


def downgrade() -> None:
    op.drop_index("ix_runs_exports_due", table_name="runs")
    op.drop_column("runs", "exports_due")
    op.drop_column("jobs", "exports")
