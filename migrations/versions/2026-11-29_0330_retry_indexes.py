"""Indexes of the shards that failed attempts or were cancelled, among very many."""

import sqlalchemy as sa
from alembic import op

revision = "c81d42f60a9e"
down_revision = "5b0e7a94d1c6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index("ix_shards_attempts", "shards", ["run_id", "index"], postgresql_where=sa.text("attempts > 0"))
    op.create_index("ix_shards_cancelled", "shards", ["run_id"], postgresql_where=sa.text("state = 'cancelled'"))


def downgrade() -> None:
    for name in ("ix_shards_cancelled", "ix_shards_attempts"):
        op.drop_index(name, table_name="shards")
