"""load of other processes."""

import sqlalchemy as sa
from alembic import op

revision = "8907956f65ea"
down_revision = "b4d6f0a83e21"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("image_results", sa.Column("other_load", sa.Double(), nullable=True))
    op.add_column("rollups", sa.Column("load_sum", sa.Double(), server_default=sa.text("0"), nullable=False))
    op.add_column("rollups", sa.Column("load_images", sa.BigInteger(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    op.drop_column("rollups", "load_images")
    op.drop_column("rollups", "load_sum")
    op.drop_column("image_results", "other_load")
