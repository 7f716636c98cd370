"""prompts of images, from files.

Expand only: a table and nullable columns. The content hash of a dataset without prompts stays the same.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b3f07d52c8e1"
down_revision = "5b1f0c8ad2e6"
branch_labels = None
depends_on = None

PROMPTS = """
        UNION ALL
        SELECT 'prompts', CAST(row(image_id, coordinates, objects) AS text)
        FROM dataset_prompts WHERE dataset_id = wanted"""


def _content(prompts: str) -> str:
    """Return the statement of the function that hashes a dataset, as before but for `prompts`."""
    return f"""
CREATE OR REPLACE FUNCTION dataset_content(wanted uuid) RETURNS text STABLE LANGUAGE sql AS $$
    WITH lines AS (
        SELECT 'image' AS kind, CAST(row(position, image_id, size_bytes, file_name) AS text) AS line
        FROM dataset_images WHERE dataset_id = wanted
        UNION ALL
        SELECT 'federated', CAST(row(image_id, neg_category_ids, not_exhaustive_category_ids) AS text)
        FROM dataset_images WHERE dataset_id = wanted AND neg_category_ids IS NOT NULL
        UNION ALL
        SELECT 'annotation',
               CAST(row(image_id, annotation_id, category_id, bbox, area, iscrowd, segmentation) AS text)
        FROM dataset_annotations WHERE dataset_id = wanted
        UNION ALL
        SELECT 'detection', CAST(row(image_id, detection_id, category_id, bbox, score) AS text)
        FROM dataset_detections WHERE dataset_id = wanted{prompts}
    ), digests AS (
        SELECT kind, encode(sha256(convert_to(line, 'UTF8')), 'hex') AS digest FROM lines
    ), sums AS (
        SELECT concat_ws(
            ' ', kind, count(*), sum(CAST(CAST('x' || substr(digest, 1, 14) AS bit(56)) AS bigint)),
            sum(CAST(CAST('x' || substr(digest, 15, 14) AS bit(56)) AS bigint))
        ) AS line
        FROM digests GROUP BY kind
        UNION ALL
        SELECT concat_ws(' ', 'categories', categories) FROM datasets WHERE id = wanted
    )
    SELECT encode(sha256(convert_to(string_agg(line, E'\\n' ORDER BY line COLLATE "C"), 'UTF8')), 'hex') FROM sums
$$
"""  # noqa: S608 - from a constant above


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "dataset_prompts",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("coordinates", sa.String(length=16), nullable=False),
        sa.Column("prompt_count", sa.Integer(), nullable=False),
        sa.Column("objects", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_prompts_dataset_id_datasets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dataset_id", "image_id", name=op.f("pk_dataset_prompts")),
    )
    for name in ("prompt_count", "prompted_image_count"):
        op.add_column("datasets", sa.Column(name, sa.Integer(), nullable=True))
    op.add_column("datasets", sa.Column("prompts_key", sa.String(), nullable=True))
    op.add_column("datasets", sa.Column("prompts_bytes", sa.BigInteger(), nullable=True))
    op.execute(_content(PROMPTS))


def downgrade() -> None:
    op.execute(_content(""))
    for name in ("prompts_bytes", "prompts_key", "prompted_image_count", "prompt_count"):
        op.drop_column("datasets", name)
    op.drop_table("dataset_prompts")
