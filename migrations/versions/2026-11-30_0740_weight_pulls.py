"""The last pull of each variant's weights."""

import sqlalchemy as sa
from alembic import op

revision = "4c1e9a70d5b2"
down_revision = "c41f7e09ab52"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "weight_pulls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("variant", sa.String(100), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("file", sa.String(500), nullable=True),
        sa.Column("done_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=True),
        sa.Column("error_code", sa.String(64), nullable=True),
        sa.Column("error_message", sa.String(), nullable=True),
        sa.Column("claims", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('queued', 'running', 'completed', 'failed')", name=op.f("ck_weight_pulls_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_weight_pulls")),
        sa.UniqueConstraint("variant", name=op.f("uq_weight_pulls_variant")),
    )


def downgrade() -> None:
    op.drop_table("weight_pulls")
