"""Storage use: bytes and objects of datasets, shards and runs, and the pictures of runs.

Objects that were written before have no sizes here, except images; the store has them.
"""

import sqlalchemy as sa
from alembic import op

revision = "d52e8fab31c6"
down_revision = "c41d7e9a20b5"
branch_labels = None
depends_on = None

COUNTERS = {
    "datasets": (("stored_bytes", sa.BigInteger()), ("stored_objects", sa.BigInteger())),
    "runs": (("part_bytes", sa.BigInteger()), ("parts", sa.Integer())),
}
SIZES = {"datasets": ("annotations_bytes", "detections_bytes"), "shards": ("part_bytes",)}
IMAGES = """
UPDATE datasets SET stored_bytes = images.bytes, stored_objects = images.count
FROM (SELECT dataset_id, sum(size_bytes) AS bytes, count(*) AS count FROM dataset_images GROUP BY dataset_id) AS images
WHERE datasets.id = images.dataset_id AND datasets.source = 'upload'
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, columns in COUNTERS.items():
        for name, kind in columns:
            op.add_column(table, sa.Column(name, kind, server_default=sa.text("0"), nullable=False))
    for table, names in SIZES.items():
        for name in names:
            op.add_column(table, sa.Column(name, sa.BigInteger(), nullable=True))
    op.create_table(
        "run_pictures",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_pictures_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "key", name=op.f("pk_run_pictures")),
    )
    op.execute(IMAGES)


def downgrade() -> None:
    op.drop_table("run_pictures")
    for table, names in SIZES.items():
        for name in names:
            op.drop_column(table, name)
    for table, columns in COUNTERS.items():
        for name, _ in columns:
            op.drop_column(table, name)
