"""why runs do not get on."""

import sqlalchemy as sa
from alembic import op

revision = "9d4a6c20f7b3"
down_revision = "4fa81c6d20be"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("runs", sa.Column("stalled_code", sa.String(length=64), nullable=True))
    op.add_column("runs", sa.Column("stalled_message", sa.String(), nullable=True))
    op.add_column("runs", sa.Column("stalled_since", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("runs", "stalled_since")
    op.drop_column("runs", "stalled_message")
    op.drop_column("runs", "stalled_code")
