"""request of jobs."""

import sqlalchemy as sa
from alembic import op

revision = "b41c7e92d5a3"
down_revision = "c3d8e1a7f204"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("jobs", sa.Column("correlation_id", sa.String(length=128), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("jobs", "correlation_id")
