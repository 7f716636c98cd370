"""keys that are managed, and deletion of jobs and datasets."""

import sqlalchemy as sa
from alembic import op

revision = "7e1c54b0d9a3"
down_revision = "b8f4d16e0c27"
branch_labels = None
depends_on = None

MEASURED_RUN = "fk_report_series_run_id_runs"
# A shard and an image are deleted only after the results that name them, so these keys guard nothing. Without an
# index of their own they would read all results for each shard and image that is deleted.
RESULT_KEYS = {
    "fk_image_results_dataset_image_id_dataset_images": ("dataset_images", "dataset_image_id"),
    "fk_image_results_shard_id_shards": ("shards", "shard_id"),
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in ("is_admin", "is_bootstrap"):
        op.add_column("api_keys", sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("api_keys", sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE api_keys SET is_admin = true, is_bootstrap = true FROM tenants "
        "WHERE tenants.id = tenant_id AND tenants.name = 'default' AND api_keys.name = 'bootstrap'"
    )
    op.add_column("datasets", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    changed = sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)
    op.add_column("datasets", changed)
    op.add_column("jobs", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    for table in ("datasets", "jobs"):
        where = sa.text("deleted_at IS NOT NULL")
        op.create_index(f"ix_{table}_deleted", table, ["deleted_at"], postgresql_where=where)
    op.create_index("ix_datasets_open", "datasets", ["changed_at"], postgresql_where=sa.text("state = 'open'"))
    op.create_table(
        "removed_prefixes",
        sa.Column("prefix", sa.String(length=200), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_removed_prefixes")),
    )
    op.create_index(op.f("ix_removed_prefixes_due_at"), "removed_prefixes", ["due_at"])
    op.create_table(
        "store_walks",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("after", sa.String(length=1024), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_store_walks")),
    )
    op.drop_constraint(MEASURED_RUN, "report_series", type_="foreignkey")
    op.create_foreign_key(MEASURED_RUN, "report_series", "runs", ["run_id"], ["id"], ondelete="SET NULL")
    for name in RESULT_KEYS:
        op.drop_constraint(name, "image_results", type_="foreignkey")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name, (table, column) in RESULT_KEYS.items():
        op.create_foreign_key(name, "image_results", table, [column], ["id"], ondelete="CASCADE")
    op.drop_constraint(MEASURED_RUN, "report_series", type_="foreignkey")
    op.create_foreign_key(MEASURED_RUN, "report_series", "runs", ["run_id"], ["id"], ondelete="CASCADE")
    op.drop_table("store_walks")
    op.drop_table("removed_prefixes")
    op.drop_index("ix_datasets_open", "datasets")
    for table in ("datasets", "jobs"):
        op.drop_index(f"ix_{table}_deleted", table)
        op.drop_column(table, "deleted_at")
    op.drop_column("datasets", "changed_at")
    for name in ("last_used_at", "is_bootstrap", "is_admin"):
        op.drop_column("api_keys", name)
