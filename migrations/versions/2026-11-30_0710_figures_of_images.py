"""Mean predicted IoU of each image, and indexes by which a run's images are sorted."""

import sqlalchemy as sa
from alembic import op

revision = "4c1e7d90ab35"
down_revision = "c1a6f0d83b52"
branch_labels = None
depends_on = None

TABLE = "image_results"
IMAGE_MS = (
    "(coalesce(fetch_ms, 0) + coalesce(preprocess_ms, 0) + coalesce(encode_ms, 0) + coalesce(decode_ms, 0)"
    " + coalesce(postprocess_ms, 0) + coalesce(store_ms, 0))"
)
IOU = "(quality_iou_sum / nullif(quality_instances, 0))"
INDEXES = {
    "ix_image_results_masks": ("mask_count", "outcome = 'succeeded'"),
    "ix_image_results_time": (IMAGE_MS, "outcome = 'succeeded' AND reused_from IS NULL"),
    "ix_image_results_score": ("predicted_iou", "predicted_iou IS NOT NULL"),
    "ix_image_results_iou": (IOU, "quality_instances > 0"),
}


# Expand only: docs/backup.md#rule-for-migrations
def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(TABLE, sa.Column("predicted_iou", sa.Double(), nullable=True))
    for name, (figure, has) in INDEXES.items():
        columns = ["run_id", sa.text(figure), "dataset_image_id"]
        op.create_index(name, TABLE, columns, postgresql_where=sa.text(has))


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, table_name=TABLE)
    op.drop_column(TABLE, "predicted_iou")
