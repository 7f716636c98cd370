"""Datasets of archives."""

from alembic import op

revision = "c93a6e1f7b04"
down_revision = "7c1f3e5a9b20"
branch_labels = None
depends_on = None

SOURCES = ("directory", "upload", "s3", "manifest")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _allow((*SOURCES, "archive"))


def downgrade() -> None:
    """The datasets stay, as uploads: their images are in the object store."""
    op.execute(
        "UPDATE datasets SET state = 'failed', error_code = 'listing_failed', error_message = 'it is of an archive' "
        "WHERE source = 'archive' AND state = 'listing'"
    )
    op.execute("UPDATE datasets SET source = 'upload', listing = NULL WHERE source = 'archive'")
    _allow(SOURCES)


def _allow(sources: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_datasets_source"), "datasets", type_="check")
    op.create_check_constraint(op.f("ck_datasets_source"), "datasets", f"source IN {sources!r}")
