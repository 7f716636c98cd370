"""Index of the ids that manifests give images, by which prompts are matched."""

import sqlalchemy as sa
from alembic import op

revision = "7d2c41b86ea9"
down_revision = "c5a9e17b30d4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the index. It has only images of manifests, but the whole table is read for it."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "ix_dataset_images_external_id",
        "dataset_images",
        ["dataset_id", "external_id"],
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_dataset_images_external_id", "dataset_images")
