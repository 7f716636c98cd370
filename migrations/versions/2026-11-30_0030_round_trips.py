"""Time from the request of an image to Triton until its reply."""

import sqlalchemy as sa
from alembic import op

revision = "b7d2c95f1e06"
down_revision = "e3b85d2f9a70"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("image_results", sa.Column("round_trip_ms", sa.Double(), nullable=True))


def downgrade() -> None:
    op.drop_column("image_results", "round_trip_ms")
