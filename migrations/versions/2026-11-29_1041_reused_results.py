"""Results taken over from earlier runs: the request, their number in a run, and the run that computed each."""

import sqlalchemy as sa
from alembic import op

revision = "b48e0d2c6f91"
down_revision = "c93a6e1f7b04"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("jobs", sa.Column("reuse_results", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("runs", sa.Column("reused", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("runs", sa.Column("model_sha256", sa.String(length=64), nullable=True))
    op.add_column("image_results", sa.Column("reused_from", sa.Uuid(), nullable=True))


def downgrade() -> None:
    """Results that were taken over stay, like any others."""
    op.drop_column("image_results", "reused_from")
    op.drop_column("runs", "model_sha256")
    op.drop_column("runs", "reused")
    op.drop_column("jobs", "reuse_results")
