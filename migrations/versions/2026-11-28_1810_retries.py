"""Retries: ended jobs, runs and shards may start again, and rows keep the claim of their first shard."""

import sqlalchemy as sa
from alembic import op

revision = "c58e90a7d1f2"
down_revision = "b7d1e5f20c34"
branch_labels = None
depends_on = None

JOBS_ENDED = ("completed", "completed_with_errors", "failed", "cancelled")
OLD = {
    "jobs": {
        "queued": ("running", "paused", "failed", "cancelled"),
        "running": ("paused", *JOBS_ENDED),
        "paused": ("queued", "running", *JOBS_ENDED),
    },
    "runs": {
        "queued": ("running", "failed", "cancelled"),
        "running": ("paused", "finishing", "failed", "cancelled"),
        "paused": ("running", "finishing", "failed", "cancelled"),
        "finishing": ("completed", "failed", "cancelled"),
    },
    "shards": {
        "pending": ("queued", "cancelled"),
        "queued": ("pending", "leased", "cancelled"),
        "leased": ("pending", "done", "cancelled"),
    },
}
NEW = {
    "jobs": {**OLD["jobs"], "completed_with_errors": ("running",), "failed": ("queued", "running")},
    "runs": {**OLD["runs"], "completed": ("running",), "failed": ("queued", "running")},
    "shards": {**OLD["shards"], "done": ("pending",), "cancelled": ("pending",)},
}


def replace_transitions(transitions: dict[str, dict[str, tuple[str, ...]]]) -> None:
    rows = ", ".join(
        f"('{table}', '{old}', '{new}')"
        for table, sources in transitions.items()
        for old, targets in sources.items()
        for new in targets
    )
    op.execute(
        "CREATE OR REPLACE FUNCTION state_transition_allowed(entity text, old text, new text) RETURNS boolean "
        f"IMMUTABLE LANGUAGE sql AS $$ SELECT (entity, old, new) IN ({rows}) $$"
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("image_results", sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("runs", sa.Column("retries", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("shards", sa.Column("first_claimed_at", sa.DateTime(timezone=True), nullable=True))
    replace_transitions(NEW)


def downgrade() -> None:
    replace_transitions(OLD)
    op.drop_column("shards", "first_claimed_at")
    op.drop_column("runs", "retries")
    op.drop_column("image_results", "claimed_at")
