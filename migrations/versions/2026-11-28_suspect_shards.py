"""shards that lost a lease, and attempts that count for nobody."""

import sqlalchemy as sa
from alembic import op

revision = "3c1e8f5a7d42"
down_revision = "7e1c54b0d9a3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("shards", sa.Column("waits", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("shards", sa.Column("suspect", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("shards", "suspect")
    op.drop_column("shards", "waits")
