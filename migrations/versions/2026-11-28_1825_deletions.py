"""Deletions: a record of each deleted job and dataset, and the days for which a job is kept."""

import sqlalchemy as sa
from alembic import op

revision = "e19f3a85b0d6"
down_revision = "d07b6c42e9a3"
branch_labels = None
depends_on = None

KEEP = """
CREATE FUNCTION keep_deletions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM tenants WHERE id = OLD.tenant_id) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'deletions is append-only' USING ERRCODE = 'check_violation';
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "deletions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("job", "dataset", name="kind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_deletions_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deletions")),
    )
    op.create_index("ix_deletions_tenant", "deletions", ["tenant_id", "id"])
    op.add_column("jobs", sa.Column("keep_days", sa.Integer(), nullable=True))
    op.create_index(
        "ix_jobs_kept",
        "jobs",
        ["finished_at"],
        postgresql_where=sa.text("finished_at IS NOT NULL AND deleted_at IS NULL"),
    )
    op.execute(KEEP)
    op.execute(
        "CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON deletions FOR EACH ROW EXECUTE FUNCTION keep_deletions()"
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_kept", "jobs")
    op.drop_column("jobs", "keep_days")
    op.drop_table("deletions")
    op.execute("DROP FUNCTION keep_deletions()")
