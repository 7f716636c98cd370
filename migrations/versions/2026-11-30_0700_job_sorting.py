"""Indexes for the orders of the list of jobs."""

import sqlalchemy as sa
from alembic import op

from samfleet.db.online_index import build_index

revision = "c1a6f0d83b52"
down_revision = "b7d2c95f1e06"
branch_labels = None
depends_on = None

KEYS = {
    "name": "\"left\"(lower(coalesce(name, '')), 32)",
    "state": "state",
    "duration": "coalesce(EXTRACT(epoch FROM finished_at - started_at), -1)",
    "end": "coalesce(finished_at, '9999-01-01 00:00:00+00'::timestamptz)",
}


def upgrade() -> None:
    for name, key in KEYS.items():
        build_index(f"ix_jobs_sort_{name}", "jobs", ["tenant_id", sa.text(key), "id"], where="deleted_at IS NULL")


def downgrade() -> None:
    for name in KEYS:
        op.drop_index(f"ix_jobs_sort_{name}", table_name="jobs")
