"""how many images are annotated, and how many annotations are unused or boxes alone."""

import sqlalchemy as sa
from alembic import op

revision = "4f8b1d6e72a9"
down_revision = "d27a4c9be105"
branch_labels = None
depends_on = None

COLUMNS = ("annotated_image_count", "unused_annotation_count", "box_annotation_count")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for column in COLUMNS:
        op.add_column("datasets", sa.Column(column, sa.Integer(), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for column in reversed(COLUMNS):
        op.drop_column("datasets", column)
