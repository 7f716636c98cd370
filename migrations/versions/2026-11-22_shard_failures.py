"""failures of shards."""

import sqlalchemy as sa
from alembic import op

revision = "6f2a9d40c8b1"
down_revision = "5b7d0c93e1f6"
branch_labels = None
depends_on = None

COUNT_FAILURES = """
UPDATE shards SET failed = found.failed
FROM (SELECT shard_id, count(*) AS failed FROM image_results WHERE outcome = 'failed' GROUP BY shard_id) AS found
WHERE shards.id = found.shard_id
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("shards", sa.Column("failed", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.execute(COUNT_FAILURES)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("shards", "failed")
