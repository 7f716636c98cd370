"""federated annotations, and figures of LVIS and of class-agnostic sets in reports.

Expand only: two nullable columns, and columns at the end of the view reports.quality. The content hash of a dataset
without federated annotations stays the same.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c19e5a7d4f60"
down_revision = "8907956f65ea"
branch_labels = None
depends_on = None

FEDERATED = """
        SELECT 'federated', CAST(row(image_id, neg_category_ids, not_exhaustive_category_ids) AS text)
        FROM dataset_images WHERE dataset_id = wanted AND neg_category_ids IS NOT NULL
        UNION ALL"""


def _content(federated: str) -> str:
    """Return the statement of the function that hashes a dataset, as in the initial schema but for `federated`."""
    return f"""
CREATE OR REPLACE FUNCTION dataset_content(wanted uuid) RETURNS text STABLE LANGUAGE sql AS $$
    WITH lines AS (
        SELECT 'image' AS kind, CAST(row(position, image_id, size_bytes, file_name) AS text) AS line
        FROM dataset_images WHERE dataset_id = wanted
        UNION ALL{federated}
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
"""  # noqa: S608 - from a constant above


KEYS = "tenant_id, site, variant, hardware_id, dataset, code_version, parameters"
MEANS = {
    "miou_evaluated": ("miou", "all", 1),
    "miou_small": ("miou", "small", 1),
    "miou_medium": ("miou", "medium", 1),
    "miou_large": ("miou", "large", 1),
    "ap": ("ap", "all", 100),
    "ap50": ("ap50", "all", 100),
    "ap75": ("ap75", "all", 100),
    "ap_small": ("ap", "small", 100),
    "ap_medium": ("ap", "medium", 100),
    "ap_large": ("ap", "large", 100),
    "ar_1": ("ar", "all", 1),
    "ar_10": ("ar", "all", 10),
    "ar_100": ("ar", "all", 100),
    "ar_1000": ("ar", "all", 1000),
    "ar_1000_small": ("ar", "small", 1000),
    "ar_1000_medium": ("ar", "medium", 1000),
    "ar_1000_large": ("ar", "large", 1000),
}
ADDED = {
    "ap_agnostic": ("ap_agnostic", "all", 100),
    "ap50_agnostic": ("ap50_agnostic", "all", 100),
    "ap75_agnostic": ("ap75_agnostic", "all", 100),
    "ap_agnostic_small": ("ap_agnostic", "small", 100),
    "ap_agnostic_medium": ("ap_agnostic", "medium", 100),
    "ap_agnostic_large": ("ap_agnostic", "large", 100),
    "lvis_ap": ("lvis_ap", "all", 300),
    "lvis_ap50": ("lvis_ap50", "all", 300),
    "lvis_ap75": ("lvis_ap75", "all", 300),
    "lvis_ap_small": ("lvis_ap", "small", 300),
    "lvis_ap_medium": ("lvis_ap", "medium", 300),
    "lvis_ap_large": ("lvis_ap", "large", 300),
    "lvis_apr": ("lvis_apr", "all", 300),
    "lvis_apc": ("lvis_apc", "all", 300),
    "lvis_apf": ("lvis_apf", "all", 300),
    "lvis_ar": ("lvis_ar", "all", 300),
    "lvis_ar_small": ("lvis_ar", "small", 300),
    "lvis_ar_medium": ("lvis_ar", "medium", 300),
    "lvis_ar_large": ("lvis_ar", "large", 300),
}


PARETO = """
CREATE VIEW reports.pareto AS
WITH tasks AS (
    SELECT DISTINCT tenant_id, parameters_sha256 AS parameters, concat_ws(
        ' ', parameters -> 'task' ->> 'kind', parameters -> 'task' ->> 'prompt',
        CASE parameters -> 'task' ->> 'boxes_from' WHEN 'annotations' THEN 'annotations' END
    ) AS task
    FROM report_series
), points AS (
    SELECT speed.tenant_id, speed.site, speed.variant, speed.hardware, speed.hardware_id, speed.dataset,
           speed.code_version, speed.parameters, speed.n, quality.instances, quality.miou, quality.ap, quality.ar_1000,
           speed.images_per_second, speed.images_per_gpu_hour, measure.quality, measure.value, tasks.task
    FROM reports.throughput AS speed
    JOIN reports.quality AS quality
      ON (speed.tenant_id, speed.site, speed.variant, speed.dataset, speed.code_version, speed.parameters)
       = (quality.tenant_id, quality.site, quality.variant, quality.dataset, quality.code_version, quality.parameters)
     AND speed.hardware_id IS NOT DISTINCT FROM quality.hardware_id
    JOIN tasks ON (tasks.tenant_id, tasks.parameters) = (speed.tenant_id, speed.parameters)
    CROSS JOIN LATERAL (VALUES ('miou', quality.miou), ('ap', quality.ap), ('ar', quality.ar_1000))
                       AS measure (quality, value)
    WHERE speed.images_per_gpu_hour IS NOT NULL AND measure.value IS NOT NULL
)
SELECT tenant_id, site, variant, hardware, hardware_id, dataset, code_version, parameters, n, instances, miou, ap,
       ar_1000, images_per_second, images_per_gpu_hour, quality, 'device' AS against, task, EXISTS (
    SELECT FROM points AS other
    WHERE other.tenant_id = point.tenant_id AND other.dataset = point.dataset AND other.quality = point.quality
      AND other.task = point.task
      AND other.value >= point.value AND other.images_per_gpu_hour >= point.images_per_gpu_hour
      AND (other.value, other.images_per_gpu_hour) <> (point.value, point.images_per_gpu_hour)
) AS dominated
FROM points AS point
"""


def _mean(metric: str, area: str, limit: int) -> str:
    """Return the SQL of a figure's mean over the evaluated runs of a row, weighted by their instances.

    It is clamped to the range of the values against rounding.
    """
    these = f"FILTER (WHERE metric = '{metric}' AND area = '{area}' AND max_detections = {limit})"
    weighted = f"sum(value * instances) {these} / nullif(sum(instances) {these}, 0)"
    return f"greatest(min(value) {these}, least(max(value) {these}, {weighted}))"


def _quality(means: dict[str, tuple[str, str, int]], create: str) -> str:
    """Return the statement of the view reports.quality with these figures."""
    weighted = ",\n".join(f"{_mean(*figure)} AS {name}" for name, figure in means.items())
    return f"""
{create} VIEW reports.quality AS
WITH series AS (
    SELECT id AS series_id, tenant_id, site, variant, hardware_id, dataset, code_version,
           parameters_sha256 AS parameters, origin_run_id
    FROM report_series
), runs AS (
    SELECT {KEYS}, origin_run_id, metric, area, max_detections, max(value) AS value, max(instances) AS instances
    FROM reports.figures JOIN series USING (series_id)
    GROUP BY {KEYS}, origin_run_id, metric, area, max_detections
), evaluated AS (
    SELECT {KEYS}, count(DISTINCT origin_run_id) AS runs_evaluated, {weighted}
    FROM runs GROUP BY {KEYS}
), measured AS (
    SELECT tenant_id, site, variant, min(hardware) AS hardware, hardware_id, dataset, code_version, parameters,
           sum(n)::bigint AS n, sum(failures)::bigint AS failures, sum(instances)::bigint AS instances,
           sum(iou_sum) / nullif(sum(instances), 0) AS miou
    FROM reports.cells WHERE stage = 'image' GROUP BY {KEYS}
)
SELECT measured.*, coalesce(runs_evaluated, 0) AS runs_evaluated, {", ".join(means)}
FROM measured
LEFT JOIN evaluated
       ON (measured.tenant_id, measured.site, measured.variant, measured.dataset, measured.code_version,
           measured.parameters)
        = (evaluated.tenant_id, evaluated.site, evaluated.variant, evaluated.dataset, evaluated.code_version,
           evaluated.parameters)
      AND measured.hardware_id IS NOT DISTINCT FROM evaluated.hardware_id
WHERE measured.instances > 0 OR runs_evaluated > 0
"""  # noqa: S608 - from constants above


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in ("neg_category_ids", "not_exhaustive_category_ids"):
        op.add_column("dataset_images", sa.Column(name, postgresql.ARRAY(sa.BigInteger()), nullable=True))
    op.execute(_content(FEDERATED))
    op.execute(_quality(MEANS | ADDED, "CREATE OR REPLACE"))


def downgrade() -> None:
    op.execute("DROP VIEW reports.pareto")
    op.execute("DROP VIEW reports.quality")
    op.execute(_quality(MEANS, "CREATE"))
    op.execute(PARETO)
    op.execute(_content(""))
    for name in ("not_exhaustive_category_ids", "neg_category_ids"):
        op.drop_column("dataset_images", name)
