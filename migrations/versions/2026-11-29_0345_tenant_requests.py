"""The most requests per minute of a tenant."""

import sqlalchemy as sa
from alembic import op

revision = "c93a5f1e7d28"
down_revision = "c81d42f60a9e"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tenants", sa.Column("requests_per_minute", sa.Integer(), nullable=True))
    op.create_check_constraint(op.f("ck_tenants_requests_per_minute"), "tenants", "requests_per_minute >= 1")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_tenants_requests_per_minute"), "tenants", type_="check")
    op.drop_column("tenants", "requests_per_minute")
