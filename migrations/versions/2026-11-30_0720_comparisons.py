"""Comparisons of runs, with a row for each image."""

import sqlalchemy as sa
from alembic import op

revision = "c4f7a1d80b62"
down_revision = "5af20e8c9b13"
branch_labels = None
depends_on = None

STATES = ("queued", "running", "completed", "failed")
TRANSITIONS = {
    "queued": ("running", "failed"),
    "running": ("queued", "completed", "failed"),
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _comparisons()
    _images()
    allowed = ", ".join(f"('{old}', '{new}')" for old, targets in TRANSITIONS.items() for new in targets)
    op.execute(
        "CREATE TRIGGER check_state BEFORE UPDATE OF state ON comparisons FOR EACH ROW "
        f"WHEN (OLD.state IS DISTINCT FROM NEW.state AND (OLD.state, NEW.state) NOT IN ({allowed})) "
        "EXECUTE FUNCTION refuse_export_transition()"  # its message names the table
    )


def _comparisons() -> None:
    zero = sa.text("0")
    op.create_table(
        "comparisons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("run_a_id", sa.Uuid(), nullable=False),
        sa.Column("run_b_id", sa.Uuid(), nullable=False),
        sa.Column("retries_a", sa.Integer(), nullable=False),
        sa.Column("retries_b", sa.Integer(), nullable=False),
        sa.Column(
            "state", sa.Enum(*STATES, name="state", native_enum=False, create_constraint=False, length=32),
            nullable=False,
        ),
        sa.Column("token", sa.Integer(), server_default=zero, nullable=False),
        sa.Column("lost", sa.Integer(), server_default=zero, nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), server_default=zero, nullable=False),
        sa.Column("images", sa.Integer(), server_default=zero, nullable=False),
        sa.Column("masks_a", sa.BigInteger(), server_default=zero, nullable=False),
        sa.Column("masks_b", sa.BigInteger(), server_default=zero, nullable=False),
        sa.Column("matched", sa.BigInteger(), server_default=zero, nullable=False),
        sa.Column("changed", sa.BigInteger(), server_default=zero, nullable=False),
        sa.Column("iou_sum", sa.Float(), server_default=zero, nullable=False),
        sa.Column("correlation_id", sa.String(length=128), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.String(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(f"state IN {STATES}", name=op.f("ck_comparisons_state")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_comparisons_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["run_a_id"], ["runs.id"], name=op.f("fk_comparisons_run_a_id_runs"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["run_b_id"], ["runs.id"], name=op.f("fk_comparisons_run_b_id_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparisons")),
    )  # fmt: skip
    request = ["run_a_id", "run_b_id", "retries_a", "retries_b"]
    not_failed = sa.text("state <> 'failed'")
    op.create_index("uq_comparisons_request", "comparisons", request, unique=True, postgresql_where=not_failed)
    op.create_index("ix_comparisons_tenant_page", "comparisons", ["tenant_id", "created_at", "id"])
    is_open = sa.text("state IN ('queued', 'running')")
    op.create_index("ix_comparisons_open", "comparisons", ["state", "sent_at"], postgresql_where=is_open)
    for run in ("run_a_id", "run_b_id"):
        op.create_index(f"ix_comparisons_{run}", "comparisons", [run])


def _images() -> None:
    op.create_table(
        "comparison_images",
        sa.Column("comparison_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("masks_a", sa.Integer(), nullable=False),
        sa.Column("masks_b", sa.Integer(), nullable=False),
        sa.Column("matched", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("iou_sum", sa.Float(), nullable=False),
        sa.Column("agreement", sa.Float(), nullable=False),
        sa.Column("iou_a", sa.Float(), nullable=True),
        sa.Column("iou_b", sa.Float(), nullable=True),
        sa.Column("iou_change", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["comparison_id"], ["comparisons.id"], name=op.f("fk_comparison_images_comparison_id_comparisons"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("comparison_id", "position", name=op.f("pk_comparison_images")),
    )  # fmt: skip
    for figure in ("agreement", "iou_a", "iou_b", "iou_change"):
        known = None if figure == "agreement" else sa.text(f"{figure} IS NOT NULL")
        columns = ["comparison_id", figure, "position"]
        op.create_index(f"ix_comparison_images_{figure}", "comparison_images", columns, postgresql_where=known)


def downgrade() -> None:
    op.drop_table("comparison_images")
    op.drop_table("comparisons")
