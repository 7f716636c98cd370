"""what torch held of a GPU's memory for an image's batch."""

import sqlalchemy as sa
from alembic import op

revision = "9b2d64e1c07f"
down_revision = "9d4a6c20f7b3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("image_results", sa.Column("peak_reserved_bytes", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("image_results", "peak_reserved_bytes")
