"""resampled quality."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "238e6871b241"
down_revision = "c19e5a7d4f60"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("run_quality", sa.Column("replicates", postgresql.ARRAY(sa.Double()), nullable=True))
    op.add_column("series_quality", sa.Column("replicates", postgresql.ARRAY(sa.Double()), nullable=True))


def downgrade() -> None:
    op.drop_column("series_quality", "replicates")
    op.drop_column("run_quality", "replicates")
