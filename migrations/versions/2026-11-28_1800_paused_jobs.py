"""Paused jobs: the state `paused` of jobs and runs, and queued shards that become pending again."""

from alembic import op

revision = "b7d1e5f20c34"
down_revision = "a41c07d2be19"
branch_labels = None
depends_on = None

JOB_STATES = ("queued", "running", "paused", "completed", "completed_with_errors", "failed", "cancelled")
RUN_STATES = ("queued", "running", "paused", "finishing", "completed", "failed", "cancelled")
ENDED = ("completed", "completed_with_errors", "failed", "cancelled")
OLD = {
    "jobs": {"queued": ("running", "failed", "cancelled"), "running": ENDED},
    "runs": {
        "queued": ("running", "failed", "cancelled"),
        "running": ("finishing", "failed", "cancelled"),
        "finishing": ("completed", "failed", "cancelled"),
    },
    "shards": {
        "pending": ("queued", "cancelled"),
        "queued": ("leased", "cancelled"),
        "leased": ("pending", "done", "cancelled"),
    },
}
NEW = {
    "jobs": {
        "queued": ("running", "paused", "failed", "cancelled"),
        "running": ("paused", *ENDED),
        "paused": ("queued", "running", *ENDED),
    },
    "runs": {
        **OLD["runs"],
        "running": ("paused", "finishing", "failed", "cancelled"),
        "paused": ("running", "finishing", "failed", "cancelled"),
    },
    "shards": {**OLD["shards"], "queued": ("pending", "leased", "cancelled")},
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


def check_states(table: str, states: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{state}'" for state in states)
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_state")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_state CHECK (state IN ({listed}))")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    check_states("jobs", JOB_STATES)
    check_states("runs", RUN_STATES)
    replace_transitions(NEW)


def downgrade() -> None:
    """Resume paused jobs: the older schema cannot represent them."""
    op.execute("UPDATE runs SET state = 'running' WHERE state = 'paused'")
    op.execute(
        "UPDATE jobs SET state = CASE WHEN started_at IS NULL THEN 'queued' ELSE 'running' END WHERE state = 'paused'"
    )
    replace_transitions(OLD)
    check_states("jobs", tuple(state for state in JOB_STATES if state != "paused"))
    check_states("runs", tuple(state for state in RUN_STATES if state != "paused"))
