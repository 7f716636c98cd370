"""Pulls of weights that were cancelled."""

from alembic import op

revision = "a3d5c0917e4f"
down_revision = "d40e7b9c2f68"
branch_labels = None
depends_on = None

STATES = ("queued", "running", "completed", "failed")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _allow((*STATES, "cancelled"))


def downgrade() -> None:
    """A cancelled pull becomes one that failed, since older code has no other end without the weights."""
    op.execute(
        "UPDATE weight_pulls SET state = 'failed', error_code = 'pull_failed', error_message = 'it was cancelled' "
        "WHERE state = 'cancelled'"
    )
    _allow(STATES)


def _allow(states: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_weight_pulls_state"), "weight_pulls", type_="check")
    op.create_check_constraint(op.f("ck_weight_pulls_state"), "weight_pulls", f"state IN {states!r}")
