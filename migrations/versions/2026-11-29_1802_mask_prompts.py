"""Count of the prompts of a dataset that have a mask, for which only some variants can be asked."""

import sqlalchemy as sa
from alembic import op

revision = "e3b85d2f9a70"
down_revision = "a94f07c3e5d1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("datasets", sa.Column("mask_prompt_count", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Older code reads a prompt without its mask; one that has nothing else would have no prompt at all."""
    op.execute(
        "UPDATE dataset_prompts SET objects = '[]', prompt_count = 0 WHERE dataset_id IN "
        "(SELECT id FROM datasets WHERE mask_prompt_count > 0)"
    )
    op.drop_column("datasets", "mask_prompt_count")
