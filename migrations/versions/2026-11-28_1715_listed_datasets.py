"""listed datasets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "5d0c3b7e9a12"
down_revision = "238e6871b241"
branch_labels = None
depends_on = None

STATES = ("open", "sealed")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("datasets", sa.Column("listing", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("datasets", sa.Column("listed", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("datasets", sa.Column("listing_failures", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("datasets", sa.Column("error_code", sa.String(length=64), nullable=True))
    op.add_column("datasets", sa.Column("error_message", sa.String(), nullable=True))
    op.add_column(
        "datasets",
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    _allow(("listing", *STATES, "failed"))
    op.create_index("ix_datasets_listing", "datasets", ["sent_at"], postgresql_where=sa.text("state = 'listing'"))


def downgrade() -> None:
    op.drop_index("ix_datasets_listing", table_name="datasets")
    op.execute("DELETE FROM datasets WHERE state IN ('listing', 'failed')")  # they have no images
    _allow(STATES)
    for column in ("sent_at", "error_message", "error_code", "listing_failures", "listed", "listing"):
        op.drop_column("datasets", column)


def _allow(states: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_datasets_state"), "datasets", type_="check")
    op.create_check_constraint(op.f("ck_datasets_state"), "datasets", f"state IN {states!r}")
