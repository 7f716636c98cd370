"""turns and provenance of runs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c7e2f41b90da"
down_revision = "898a5e80c182"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("runs", sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("runs", sa.Column("turn_since", sa.DateTime(timezone=True), nullable=True))
    provenance = sa.Column("provenance", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)
    op.add_column("runs", provenance)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("runs", "provenance")
    op.drop_column("runs", "turn_since")
    op.drop_column("runs", "waiting_since")
