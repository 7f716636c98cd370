"""Contents of uploaded images, which datasets of a tenant share."""

import sqlalchemy as sa
from alembic import op

revision = "7d20c4e9b1a6"
down_revision = "b48e0d2c6f91"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "stored_contents",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_stored_contents_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_contents")),
        sa.UniqueConstraint("key", name=op.f("uq_stored_contents_key")),
        sa.UniqueConstraint("tenant_id", "sha256", name=op.f("uq_stored_contents_tenant_id_sha256")),
    )
    op.create_table(
        "content_uses",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("content_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_content_uses_dataset_id_datasets"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["content_id"], ["stored_contents.id"], name=op.f("fk_content_uses_content_id_stored_contents")
        ),
        sa.PrimaryKeyConstraint("dataset_id", "content_id", name=op.f("pk_content_uses")),
    )
    op.create_index(op.f("ix_content_uses_content_id"), "content_uses", ["content_id"])
    for name in ("content_bytes", "content_objects"):
        op.add_column("datasets", sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    """Images that were uploaded meanwhile stay readable; nothing removes their bytes any more."""
    op.drop_column("datasets", "content_objects")
    op.drop_column("datasets", "content_bytes")
    op.drop_table("content_uses")
    op.drop_table("stored_contents")
