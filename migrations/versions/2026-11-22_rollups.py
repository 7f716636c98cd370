"""rollups."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "5b1f6e0c94d2"
down_revision = "e41f0b7d2c95"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "report_series",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(length=100), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("origin_run_id", sa.Uuid(), nullable=False),
        sa.Column("origin_job_id", sa.Uuid(), nullable=False),
        sa.Column("variant", sa.String(length=100), nullable=False),
        sa.Column("pool", sa.String(length=100), nullable=False),
        sa.Column("dataset", sa.String(length=200), nullable=False),
        sa.Column("hardware_id", sa.Uuid(), nullable=True),
        sa.Column("code_version", sa.String(length=64), nullable=False),
        sa.Column("parameters", postgresql.JSONB(), nullable=False),
        sa.Column("parameters_sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["hardware_id"], ["hardware.id"], name=op.f("fk_report_series_hardware_id_hardware")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_report_series_run_id_runs"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_report_series_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_series")),
    )
    op.create_index(op.f("ix_report_series_run_id"), "report_series", ["run_id"], unique=False)
    op.create_index("ix_report_series_tenant", "report_series", ["tenant_id", "site", "variant"], unique=False)
    op.create_index("ix_report_series_origin", "report_series", ["tenant_id", "site", "origin_run_id"], unique=False)
    op.create_table(
        "rollups",
        sa.Column("series_id", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("batch_class", sa.Integer(), nullable=False),
        sa.Column("warmup", sa.Boolean(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("sum_ms", sa.Double(), nullable=False),
        sa.Column("first_bucket", sa.Integer(), nullable=False),
        sa.Column("counts", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("instances", sa.BigInteger(), nullable=False),
        sa.Column("iou_sum", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["series_id"], ["report_series.id"], name=op.f("fk_rollups_series_id_report_series"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("series_id", "stage", "hour", "batch_class", "warmup", name=op.f("pk_rollups")),
    )
    op.create_table(
        "hardware_prices",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("hardware_id", sa.Uuid(), nullable=False),
        sa.Column("per_hour", sa.Double(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.ForeignKeyConstraint(
            ["hardware_id"],
            ["hardware.id"],
            name=op.f("fk_hardware_prices_hardware_id_hardware"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_hardware_prices_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "hardware_id", name=op.f("pk_hardware_prices")),
    )


def downgrade() -> None:
    op.drop_table("hardware_prices")
    op.drop_table("rollups")
    op.drop_table("report_series")
