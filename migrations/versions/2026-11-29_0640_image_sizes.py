"""Drop the sizes of a dataset's images: each result has the size of its image.

Writing them changed every row, and the row's entry in each of four indexes, in the first job of a dataset.
"""

import sqlalchemy as sa
from alembic import op

revision = "a4c1f6e85b27"
down_revision = "e2d740b9c861"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("dataset_images", "height")
    op.drop_column("dataset_images", "width")


def downgrade() -> None:
    op.add_column("dataset_images", sa.Column("width", sa.Integer(), nullable=True))
    op.add_column("dataset_images", sa.Column("height", sa.Integer(), nullable=True))
