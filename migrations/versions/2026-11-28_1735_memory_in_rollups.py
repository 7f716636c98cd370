"""memory in rollups."""

import sqlalchemy as sa
from alembic import op

revision = "e8d34f60a1b7"
down_revision = "5b1f0d27c9e4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("rollups", sa.Column("peak_memory_bytes", sa.BigInteger(), nullable=True))
    op.add_column("rollups", sa.Column("memory_images", sa.BigInteger(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    op.drop_column("rollups", "memory_images")
    op.drop_column("rollups", "peak_memory_bytes")
