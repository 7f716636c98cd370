"""Exports: files made of a run's results, with guarded states."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "e41b9c07f5d2"
down_revision = "a4c1f6e85b27"
branch_labels = None
depends_on = None

STATES = ("queued", "running", "completed", "failed")
TRANSITIONS = {
    "queued": ("running", "failed"),
    "running": ("queued", "completed", "failed"),
}
REFUSE = """
CREATE FUNCTION refuse_export_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a row of % is % and cannot become %', TG_TABLE_NAME, OLD.state, NEW.state
    USING ERRCODE = 'check_violation';
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "exports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("format", sa.String(length=64), nullable=False),
        sa.Column("options", postgresql.JSONB(), nullable=False),
        sa.Column("parts_version", sa.String(length=64), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column(
            "state", sa.Enum(*STATES, name="state", native_enum=False, create_constraint=False, length=32),
            nullable=False,
        ),
        sa.Column("progress", sa.Float(), server_default=sa.text("0"), nullable=False),
        sa.Column("token", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lost", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("keep_days", sa.Integer(), nullable=True),
        sa.Column("correlation_id", sa.String(length=128), nullable=True),
        sa.Column("key", sa.String(length=200), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.String(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(f"state IN {STATES}", name=op.f("ck_exports_state")),
        sa.CheckConstraint("(state = 'completed') = (key IS NOT NULL)", name=op.f("ck_exports_key")),
        sa.CheckConstraint(
            "(key IS NULL) = (bytes IS NULL) AND (key IS NULL) = (sha256 IS NULL)", name=op.f("ck_exports_file")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_exports_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
    )  # fmt: skip
    failed = sa.text("state <> 'failed'")
    op.create_index("uq_exports_request", "exports", ["run_id", "request_sha256"], unique=True, postgresql_where=failed)
    op.create_index("ix_exports_page", "exports", ["run_id", "created_at", "id"])
    is_open = sa.text("state IN ('queued', 'running')")
    op.create_index("ix_exports_open", "exports", ["state", "sent_at"], postgresql_where=is_open)
    op.create_index("ix_exports_kept", "exports", ["finished_at"], postgresql_where=sa.text("keep_days IS NOT NULL"))
    op.execute(REFUSE)
    allowed = ", ".join(f"('{old}', '{new}')" for old, targets in TRANSITIONS.items() for new in targets)
    op.execute(
        "CREATE TRIGGER check_state BEFORE UPDATE OF state ON exports FOR EACH ROW "
        f"WHEN (OLD.state IS DISTINCT FROM NEW.state AND (OLD.state, NEW.state) NOT IN ({allowed})) "
        "EXECUTE FUNCTION refuse_export_transition()"
    )


def downgrade() -> None:
    op.drop_table("exports")
    op.execute("DROP FUNCTION refuse_export_transition()")
