"""Datasets of manifests."""

import sqlalchemy as sa
from alembic import op

revision = "5b1f0c8ad2e6"
down_revision = "d7e20b9c4f13"
branch_labels = None
depends_on = None

SOURCES = ("directory", "upload", "s3")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("dataset_images", sa.Column("external_id", sa.String(length=255), nullable=True))
    _allow((*SOURCES, "manifest"))


def downgrade() -> None:
    """The datasets stay for the results of their jobs. Images that older code cannot read fail with a reason."""
    op.execute("UPDATE dataset_images SET uri = 'unusable:it%20lies%20at%20a%20URL' WHERE uri LIKE 'http%'")
    op.execute("UPDATE dataset_images SET uri = 'unusable:it%20had%20no%20version' WHERE uri LIKE 's3:%#'")
    op.execute(
        "UPDATE datasets SET state = 'failed', error_code = 'listing_failed', error_message = 'it is of a manifest' "
        "WHERE source = 'manifest' AND state = 'listing'"
    )
    op.execute("UPDATE datasets SET source = 'upload', listing = NULL WHERE source = 'manifest'")
    _allow(SOURCES)
    op.drop_column("dataset_images", "external_id")


def _allow(sources: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_datasets_source"), "datasets", type_="check")
    op.create_check_constraint(op.f("ck_datasets_source"), "datasets", f"source IN {sources!r}")
