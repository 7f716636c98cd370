"""The most open images of a tenant."""

import sqlalchemy as sa
from alembic import op

revision = "e2d740b9c861"
down_revision = "c93a5f1e7d28"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tenants", sa.Column("max_open_images", sa.Integer(), nullable=True))
    op.create_check_constraint(op.f("ck_tenants_max_open_images"), "tenants", "max_open_images >= 1")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_tenants_max_open_images"), "tenants", type_="check")
    op.drop_column("tenants", "max_open_images")
