"""Mean predicted IoU of each image."""

import sqlalchemy as sa
from alembic import op

revision = "4c1e7d90ab35"
down_revision = "c1a6f0d83b52"
branch_labels = None
depends_on = None


# Expand only: docs/backup.md#rule-for-migrations
def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("image_results", sa.Column("predicted_iou", sa.Double(), nullable=True))


def downgrade() -> None:
    op.drop_column("image_results", "predicted_iou")
