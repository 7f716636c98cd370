"""failures of tasks."""

import sqlalchemy as sa
from alembic import op

revision = "27d9f0c6a18e"
down_revision = "b41c7e92d5a3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("jobs", sa.Column("plan_failures", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("runs", sa.Column("finish_failures", sa.Integer(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("runs", "finish_failures")
    op.drop_column("jobs", "plan_failures")
