"""Indexes of the shards with failed or missing images, among very many."""

import sqlalchemy as sa
from alembic import op

revision = "3f6d18c2a9b7"
down_revision = "a4c19f7e2b60"
branch_labels = None
depends_on = None

WANTED = {
    "ix_shards_failures": "failed > 0",
    "ix_shards_unrecorded": "part_key IS NULL",
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name, condition in WANTED.items():
        op.create_index(name, "shards", ["run_id", "index"], unique=False, postgresql_where=sa.text(condition))


def downgrade() -> None:
    for name in WANTED:
        op.drop_index(name, table_name="shards")
