"""Indexes by which a run's images are sorted."""

import sqlalchemy as sa
from alembic import op

from samfleet.db.online_index import build_index

revision = "9e36b1c7d204"
down_revision = "4c1e7d90ab35"
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


def upgrade() -> None:
    for name, (figure, has) in INDEXES.items():
        build_index(name, TABLE, ["run_id", sa.text(figure), "dataset_image_id"], where=has)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, table_name=TABLE)
