"""The most open jobs of a tenant, and an index that counts them."""

import sqlalchemy as sa
from alembic import op

revision = "b81e4d07c35f"
down_revision = "3f6d18c2a9b7"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tenants", sa.Column("max_open_jobs", sa.Integer(), nullable=True))
    op.create_check_constraint(op.f("ck_tenants_max_open_jobs"), "tenants", "max_open_jobs >= 1")
    is_open = sa.text("state IN ('queued', 'running', 'paused')")
    op.create_index("ix_jobs_tenant_open", "jobs", ["tenant_id"], postgresql_where=is_open)


def downgrade() -> None:
    op.drop_index("ix_jobs_tenant_open", table_name="jobs")
    op.drop_constraint(op.f("ck_tenants_max_open_jobs"), "tenants", type_="check")
    op.drop_column("tenants", "max_open_jobs")
