"""content of datasets."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "4fa81c6d20be"
down_revision = "9d47b3e6c105"
branch_labels = None
depends_on = None

VIEWS = "b8f4d16e0c27"
# A sum of digests needs no memory for the rows, whatever their number; 112 bits of each row are enough to tell
# datasets apart. Rows of images have their position, so their order counts.
CONTENT = """
CREATE FUNCTION dataset_content(wanted uuid) RETURNS text STABLE LANGUAGE sql AS $$
    WITH lines AS (
        SELECT 'image' AS kind, CAST(row(position, image_id, size_bytes, file_name) AS text) AS line
        FROM dataset_images WHERE dataset_id = wanted
        UNION ALL
        SELECT 'annotation',
               CAST(row(image_id, annotation_id, category_id, bbox, area, iscrowd, segmentation) AS text)
        FROM dataset_annotations WHERE dataset_id = wanted
        UNION ALL
        SELECT 'detection', CAST(row(image_id, detection_id, category_id, bbox, score) AS text)
        FROM dataset_detections WHERE dataset_id = wanted
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
"""
# Of several datasets of one name, that of the first series keeps the name. A series whose dataset is gone could be of
# any of them.
LABELS = """
WITH contents AS (
    SELECT tenant_id, dataset, dataset_content, min(id) AS first FROM report_series
    GROUP BY tenant_id, dataset, dataset_content
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY tenant_id, dataset ORDER BY dataset_content IS NULL, first) AS place
    FROM contents
), labels AS (
    SELECT *, CASE WHEN place = 1 THEN dataset
                   ELSE left(dataset, 130) || ' #' || coalesce(left(dataset_content, 12), 'unknown') END AS label
    FROM ranked
), chosen AS (
    SELECT DISTINCT ON (tenant_id, dataset_content) tenant_id, dataset_content, label FROM labels
    WHERE dataset_content IS NOT NULL ORDER BY tenant_id, dataset_content, first
)
UPDATE report_series AS series SET dataset = coalesce(chosen.label, labels.label)
FROM labels LEFT JOIN chosen USING (tenant_id, dataset_content)
WHERE labels.tenant_id = series.tenant_id AND labels.dataset = series.dataset
  AND labels.dataset_content IS NOT DISTINCT FROM series.dataset_content
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("datasets", sa.Column("content_sha256", sa.String(length=64), nullable=True))
    op.add_column("report_series", sa.Column("dataset_content", sa.String(length=64), nullable=True))
    op.create_index("ix_report_series_dataset", "report_series", ["tenant_id", "dataset_content"])
    op.execute(CONTENT)
    op.execute("UPDATE datasets SET content_sha256 = dataset_content(id) WHERE state = 'sealed'")
    op.execute(
        "UPDATE report_series AS series SET dataset_content = datasets.content_sha256 FROM runs "
        "JOIN jobs ON jobs.id = runs.job_id JOIN datasets ON datasets.id = jobs.dataset_id "
        "WHERE runs.id = series.run_id"
    )
    op.execute(LABELS)
    op.execute("DROP VIEW reports.compare")
    op.execute(_with_dataset(_views().COMPARE))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP VIEW reports.compare")
    op.execute(_views().COMPARE)
    op.execute(
        "UPDATE report_series SET dataset = regexp_replace(dataset, ' #([0-9a-f]{12}|[0-9a-f]{64}|unknown)$', '')"
    )
    op.execute("DROP FUNCTION dataset_content(uuid)")
    op.drop_index("ix_report_series_dataset", table_name="report_series")
    op.drop_column("report_series", "dataset_content")
    op.drop_column("datasets", "content_sha256")


def _with_dataset(view: str) -> str:
    """Times of one dataset are compared with times of the same one."""
    for side in ("", "a.", "b."):
        view = view.replace(f"{side}stage, {side}code_version", f"{side}stage, {side}dataset, {side}code_version")
    return view


def _views() -> Any:
    """The migration that made the view; its text stands once."""
    script = op.get_context().script
    found = script.get_revision(VIEWS) if script else None
    if found is None:
        raise LookupError(f"the migration {VIEWS} is not among the scripts")
    return found.module
