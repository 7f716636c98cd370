"""gates of runs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "a1c07d52e9b4"
down_revision = "3892e8bfbba5"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    gates = sa.Column("gates", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)
    op.add_column("runs", gates)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("runs", "gates")
