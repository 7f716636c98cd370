"""energy."""

import sqlalchemy as sa
from alembic import op

revision = "c3d8e1a7f204"
down_revision = "c3f9b8d1740a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("image_results", sa.Column("energy_j", sa.Double(), nullable=True))
    op.add_column("rollups", sa.Column("energy_j", sa.Double(), server_default=sa.text("0"), nullable=False))
    op.add_column("rollups", sa.Column("energy_images", sa.BigInteger(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("rollups", "energy_images")
    op.drop_column("rollups", "energy_j")
    op.drop_column("image_results", "energy_j")
