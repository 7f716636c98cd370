"""Index of the running runs of a pool, which each claim reads."""

from alembic import op

from samfleet.db.online_index import build_index

revision = "5af20e8c9b13"
down_revision = "9e36b1c7d204"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("ix_runs_running", "runs", ["pool"], where="state = 'running'")


def downgrade() -> None:
    op.drop_index("ix_runs_running", table_name="runs")
