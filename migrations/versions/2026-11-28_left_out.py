"""what datasets of folders left out."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "9c03e5d7b1f8"
down_revision = "4f8b1d6e72a9"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    column = sa.Column("left_out", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    op.add_column("datasets", column)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("datasets", "left_out")
