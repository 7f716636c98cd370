"""Reviews of the masks of runs, and the version of the review that an export has."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c41f7e09ab52"
down_revision = "c4f7a1d80b62"
branch_labels = None
depends_on = None

STATES = ("accepted", "rejected", "deleted", "undecided")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "run_reviews",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("reviewed", sa.Integer(), nullable=False),
        *(sa.Column(state, sa.BigInteger(), nullable=False) for state in STATES[:3]),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_reviews_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_reviews")),
    )
    op.create_table(
        "image_reviews",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("masks", sa.Integer(), nullable=False),
        *(sa.Column(state, sa.Integer(), server_default=sa.text("0"), nullable=False) for state in STATES[:3]),
        sa.CheckConstraint("accepted + rejected + deleted <= masks", name=op.f("ck_image_reviews_counts")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_image_reviews_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "image_id", name=op.f("pk_image_reviews")),
    )
    _create_mask_reviews()
    op.create_table(
        "review_changes",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("changes", postgresql.JSONB(), nullable=False),
        _of_image("fk_review_changes_image"),
        sa.PrimaryKeyConstraint("run_id", "image_id", "version", name=op.f("pk_review_changes")),
    )
    op.add_column("exports", sa.Column("review_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    """Older code cannot build or show exports that select masks by their review."""
    op.execute("DELETE FROM exports WHERE options ? 'reviewed'")
    op.drop_column("exports", "review_version")
    for table in ("review_changes", "mask_reviews", "image_reviews", "run_reviews"):
        op.drop_table(table)


def _create_mask_reviews() -> None:
    op.create_table(
        "mask_reviews",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mask", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "state",
            sa.Enum(*STATES, name="state", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("category", sa.String(100), nullable=True),
        sa.Column("merged_into", sa.Integer(), nullable=True),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("merged_into <= mask", name=op.f("ck_mask_reviews_merged_into")),
        _of_image("fk_mask_reviews_image"),
        sa.PrimaryKeyConstraint("run_id", "image_id", "mask", name=op.f("pk_mask_reviews")),
    )
    op.create_index("ix_mask_reviews_people", "mask_reviews", ["run_id", "actor", "state"])
    named = sa.text("category IS NOT NULL")
    op.create_index("ix_mask_reviews_categories", "mask_reviews", ["run_id", "category"], postgresql_where=named)


def _of_image(name: str) -> sa.ForeignKeyConstraint:
    image = ["run_id", "image_id"]
    of = [f"image_reviews.{column}" for column in image]
    return sa.ForeignKeyConstraint(image, of, name=name, ondelete="CASCADE")
