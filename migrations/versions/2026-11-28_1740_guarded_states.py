"""Guarded states: transitions are checked, events are append-only and name their actor."""

import sqlalchemy as sa
from alembic import op

revision = "a41c07d2be19"
down_revision = "e8d34f60a1b7"
branch_labels = None
depends_on = None

OLD_STATES = ("queued", "running", "completed", "failed", "cancelled")
STATES = (*OLD_STATES, "completed_with_errors")
TRANSITIONS = {
    "jobs": {
        "queued": ("running", "failed", "cancelled"),
        "running": ("completed", "completed_with_errors", "failed", "cancelled"),
    },
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

CHECK_TRANSITION = """
CREATE FUNCTION check_state_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT state_transition_allowed(TG_TABLE_NAME, OLD.state, NEW.state) THEN
    RAISE EXCEPTION 'a row of % is % and cannot become %', TG_TABLE_NAME, OLD.state, NEW.state
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$
"""

# The events of a job that was deleted by its tenant go with it: its row has `deleted_at`, or is gone already.
KEEP_EVENTS = """
CREATE FUNCTION keep_job_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM jobs WHERE id = OLD.job_id AND deleted_at IS NULL) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'job_events is append-only' USING ERRCODE = 'check_violation';
END $$
"""


def allowed_function(transitions: dict[str, dict[str, tuple[str, ...]]]) -> str:
    rows = ", ".join(
        f"('{table}', '{old}', '{new}')"
        for table, sources in transitions.items()
        for old, targets in sources.items()
        for new in targets
    )
    return f"""
CREATE OR REPLACE FUNCTION state_transition_allowed(entity text, old text, new text) RETURNS boolean
IMMUTABLE LANGUAGE sql AS $$ SELECT (entity, old, new) IN ({rows}) $$
"""


def check_states(table: str, states: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{state}'" for state in states)
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_state")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_state CHECK (state IN ({listed}))")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "job_events", sa.Column("actor", sa.String(length=100), server_default=sa.text("'system'"), nullable=False)
    )
    check_states("jobs", STATES)
    op.execute(allowed_function(TRANSITIONS))
    op.execute(CHECK_TRANSITION)
    for table in TRANSITIONS:
        op.execute(
            f"CREATE TRIGGER check_state BEFORE UPDATE OF state ON {table} FOR EACH ROW "
            "WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION check_state_transition()"
        )
    op.execute(KEEP_EVENTS)
    op.execute(
        "CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON job_events FOR EACH ROW EXECUTE FUNCTION keep_job_events()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER keep ON job_events")
    op.execute("DROP FUNCTION keep_job_events()")
    for table in TRANSITIONS:
        op.execute(f"DROP TRIGGER check_state ON {table}")
    op.execute("DROP FUNCTION check_state_transition()")
    op.execute("DROP FUNCTION state_transition_allowed(text, text, text)")
    op.execute(
        "UPDATE jobs SET state = CASE WHEN error_code IS NULL THEN 'completed' ELSE 'failed' END "
        "WHERE state = 'completed_with_errors'"
    )
    check_states("jobs", OLD_STATES)
    op.drop_column("job_events", "actor")
