"""Indexes for the progress, the throughput and the failures of runs of very many images."""

import sqlalchemy as sa
from alembic import op

revision = "5b0e7a94d1c6"
down_revision = "b81e4d07c35f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "ix_shards_claims",
        "shards",
        ["run_id", sa.literal_column("coalesce(first_claimed_at, claimed_at)")],
        postgresql_where=sa.text("claimed_at IS NOT NULL"),
    )
    op.create_index(
        "ix_shards_records",
        "shards",
        ["run_id", "finished_at"],
        postgresql_include=["first_position", "last_position", "failed"],
        postgresql_where=sa.text("part_key IS NOT NULL"),
    )
    op.create_index(
        "ix_shards_retried",
        "shards",
        ["run_id"],
        postgresql_include=["failed"],
        postgresql_where=sa.text("part_key IS NOT NULL AND state IN ('pending', 'queued', 'leased')"),
    )
    _index_failures(["error_code", "error_stage"])


def downgrade() -> None:
    _index_failures(None)
    for name in ("ix_shards_retried", "ix_shards_records", "ix_shards_claims"):
        op.drop_index(name, table_name="shards")


def _index_failures(included: list[str] | None) -> None:
    op.drop_index("ix_image_results_failures", table_name="image_results")
    op.create_index(
        "ix_image_results_failures",
        "image_results",
        ["run_id", "image_id"],
        postgresql_include=included,
        postgresql_where=sa.text("outcome = 'failed'"),
    )
