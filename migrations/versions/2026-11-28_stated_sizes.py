"""sizes of images as the annotations file states them."""

import sqlalchemy as sa
from alembic import op

revision = "d27a4c9be105"
down_revision = "3c1e8f5a7d42"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("dataset_images", sa.Column("stated_width", sa.BigInteger(), nullable=True))
    op.add_column("dataset_images", sa.Column("stated_height", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("dataset_images", "stated_height")
    op.drop_column("dataset_images", "stated_width")
