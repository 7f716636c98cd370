"""sites."""

import sqlalchemy as sa
from alembic import op

revision = "e6b9d2f04a71"
down_revision = "27d9f0c6a18e"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "sites",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_sites_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sites")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_sites_tenant_id_name")),
        sa.UniqueConstraint("tenant_id", "public_key", name=op.f("uq_sites_tenant_id_public_key")),
    )
    op.add_column("report_series", sa.Column("site_id", sa.Uuid(), nullable=True))
    op.add_column("report_series", sa.Column("exported_at", sa.DateTime(timezone=True), nullable=True))
    name = op.f("fk_report_series_site_id_sites")
    op.create_foreign_key(name, "report_series", "sites", ["site_id"], ["id"], ondelete="CASCADE")
    op.create_index("ix_report_series_site_id", "report_series", ["site_id", "origin_run_id"], unique=False)
    op.create_check_constraint(
        op.f("ck_report_series_of_a_site"),
        "report_series",
        "site_id IS NULL OR (run_id IS NULL AND exported_at IS NOT NULL)",
    )
    op.create_table(
        "series_quality",
        sa.Column("series_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("metric", sa.String(length=16), nullable=False),
        sa.Column("area", sa.String(length=16), nullable=False),
        sa.Column("max_detections", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["series_id"],
            ["report_series.id"],
            name=op.f("fk_series_quality_series_id_report_series"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("series_id", "metric", "area", "max_detections", name=op.f("pk_series_quality")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DELETE FROM report_series WHERE site_id IS NOT NULL")
    op.drop_table("series_quality")
    op.drop_constraint(op.f("ck_report_series_of_a_site"), "report_series", type_="check")
    op.drop_index("ix_report_series_site_id", table_name="report_series")
    op.drop_column("report_series", "exported_at")
    op.drop_column("report_series", "site_id")
    op.drop_table("sites")
