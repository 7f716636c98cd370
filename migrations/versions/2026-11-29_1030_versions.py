"""Versions of datasets, and the times of files that tell whether an image changed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7c1f3e5a9b20"
down_revision = "b3f07d52c8e1"
branch_labels = None
depends_on = None

TIMES = ("modified_ns", "changed_ns")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("datasets", sa.Column("series_id", sa.Uuid(), nullable=True))
    op.add_column("datasets", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("datasets", sa.Column("base_id", sa.Uuid(), nullable=True))
    op.add_column("datasets", sa.Column("changes", postgresql.JSONB(), nullable=True))
    op.create_unique_constraint(op.f("uq_datasets_series_id_version"), "datasets", ["series_id", "version"])
    for name in TIMES:
        op.add_column("dataset_images", sa.Column(name, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Every version stays as a separate dataset."""
    for name in TIMES:
        op.drop_column("dataset_images", name)
    op.drop_constraint(op.f("uq_datasets_series_id_version"), "datasets", type_="unique")
    for name in ("changes", "base_id", "version", "series_id"):
        op.drop_column("datasets", name)
