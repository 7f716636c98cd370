"""Fair sharing: weights of tenants, priorities of jobs, and their turns in each pool."""

import sqlalchemy as sa
from alembic import op

revision = "a4c19f7e2b60"
down_revision = "d52e8fab31c6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tenants", sa.Column("weight", sa.Float(), server_default=sa.text("1"), nullable=False))
    op.create_check_constraint(op.f("ck_tenants_weight"), "tenants", "weight >= 0.01 AND weight <= 100")
    op.add_column("jobs", sa.Column("priority", sa.SmallInteger(), server_default=sa.text("5"), nullable=False))
    op.create_check_constraint(op.f("ck_jobs_priority"), "jobs", "priority BETWEEN 0 AND 9")
    op.create_table(
        "pool_turns",
        sa.Column("pool", sa.String(length=100), nullable=False),
        sa.Column("clock", sa.Float(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("pool", name=op.f("pk_pool_turns")),
    )
    op.create_table(
        "tenant_turns",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("pool", sa.String(length=100), nullable=False),
        sa.Column("began", sa.Float(), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("clock", sa.Float(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_tenant_turns_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "pool", name=op.f("pk_tenant_turns")),
    )
    op.create_table(
        "job_turns",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("pool", sa.String(length=100), nullable=False),
        sa.Column("began", sa.Float(), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_turns_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "pool", name=op.f("pk_job_turns")),
    )
    _create_indexes()


def _create_indexes() -> None:
    in_flight, pending = sa.text("state IN ('queued', 'leased')"), sa.text("state = 'pending'")
    op.create_index("ix_shards_in_flight", "shards", ["run_id", "state", "queued_at"], postgresql_where=in_flight)
    op.create_index("ix_shards_pending", "shards", ["run_id", "index"], postgresql_where=pending)


def downgrade() -> None:
    op.drop_index("ix_shards_pending", "shards")
    op.drop_index("ix_shards_in_flight", "shards")
    op.drop_table("job_turns")
    op.drop_table("tenant_turns")
    op.drop_table("pool_turns")
    op.drop_constraint(op.f("ck_jobs_priority"), "jobs", type_="check")
    op.drop_column("jobs", "priority")
    op.drop_constraint(op.f("ck_tenants_weight"), "tenants", type_="check")
    op.drop_column("tenants", "weight")
