"""Datasets of buckets."""

from alembic import op

revision = "d7e20b9c4f13"
down_revision = "e41b9c07f5d2"
branch_labels = None
depends_on = None

SOURCES = ("directory", "upload")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _allow((*SOURCES, "s3"))


def downgrade() -> None:
    """The datasets stay for the results of their jobs. Their images fail with a reason: older code has no reader."""
    op.execute("UPDATE dataset_images SET uri = 'unusable:it%20lies%20in%20a%20bucket' WHERE uri LIKE 's3:%'")
    op.execute(
        "UPDATE datasets SET state = 'failed', error_code = 'listing_failed', error_message = 'it lies in a bucket' "
        "WHERE source = 's3' AND state = 'listing'"
    )
    op.execute("UPDATE datasets SET source = 'upload', listing = NULL WHERE source = 's3'")
    _allow(SOURCES)


def _allow(sources: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_datasets_source"), "datasets", type_="check")
    op.create_check_constraint(op.f("ck_datasets_source"), "datasets", f"source IN {sources!r}")
