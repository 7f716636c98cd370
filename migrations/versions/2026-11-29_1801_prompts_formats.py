"""Format of an uploaded prompts file that is labels of another tool."""

import sqlalchemy as sa
from alembic import op

revision = "a94f07c3e5d1"
down_revision = "7d2c41b86ea9"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("datasets", sa.Column("prompts_format", sa.String(length=16), nullable=True))


def downgrade() -> None:
    """Older code takes every file for a prompts file, so an open dataset loses its labels of another tool."""
    op.execute(
        "UPDATE datasets SET prompts_key = NULL, prompt_count = NULL, "
        "stored_bytes = stored_bytes - coalesce(prompts_bytes, 0), stored_objects = stored_objects - 1, "
        "prompts_bytes = NULL WHERE prompts_format IS NOT NULL AND state IN ('open', 'listing')"
    )
    op.drop_column("datasets", "prompts_format")
