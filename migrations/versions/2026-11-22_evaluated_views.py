"""evaluated views."""

from alembic import op

revision = "a94e17c3b058"
down_revision = "5b7d0c93e1f6"
branch_labels = None
depends_on = None

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
FIGURES = """
CREATE VIEW reports.figures AS
SELECT series.id AS series_id, figure.metric, figure.area, figure.max_detections, figure.value, figure.instances
FROM run_quality AS figure JOIN report_series AS series ON series.run_id = figure.run_id
"""
PARETO = """
CREATE VIEW reports.pareto AS
WITH points AS (
    SELECT speed.tenant_id, speed.site, speed.variant, speed.hardware, speed.hardware_id, speed.dataset,
           speed.code_version, speed.parameters, speed.n, quality.instances, quality.miou, quality.ap, quality.ar_1000,
           speed.images_per_second, measure.quality, measure.value
    FROM reports.throughput AS speed
    JOIN reports.quality AS quality
      ON (speed.tenant_id, speed.site, speed.variant, speed.dataset, speed.code_version, speed.parameters)
       = (quality.tenant_id, quality.site, quality.variant, quality.dataset, quality.code_version, quality.parameters)
     AND speed.hardware_id IS NOT DISTINCT FROM quality.hardware_id
    CROSS JOIN LATERAL (VALUES ('miou', quality.miou), ('ap', quality.ap), ('ar', quality.ar_1000))
                       AS measure (quality, value)
    WHERE speed.images_per_second IS NOT NULL AND measure.value IS NOT NULL
)
SELECT tenant_id, site, variant, hardware, hardware_id, dataset, code_version, parameters, n, instances, miou, ap,
       ar_1000, images_per_second, quality, EXISTS (
    SELECT FROM points AS other
    WHERE other.tenant_id = point.tenant_id AND other.dataset = point.dataset AND other.quality = point.quality
      AND other.value >= point.value AND other.images_per_second >= point.images_per_second
      AND (other.value, other.images_per_second) <> (point.value, point.images_per_second)
) AS dominated
FROM points AS point
"""
QUALITY_BEFORE = """
CREATE VIEW reports.quality AS
SELECT tenant_id, site, variant, min(hardware) AS hardware, hardware_id, dataset, code_version, parameters,
       sum(n)::bigint AS n, sum(instances)::bigint AS instances, sum(iou_sum) / sum(instances) AS miou
FROM reports.cells WHERE stage = 'image'
GROUP BY tenant_id, site, variant, hardware_id, dataset, code_version, parameters
HAVING sum(instances) > 0
"""
PARETO_BEFORE = """
CREATE VIEW reports.pareto AS
WITH points AS (
    SELECT speed.tenant_id, speed.site, speed.variant, speed.hardware, speed.hardware_id, speed.dataset,
           speed.code_version, speed.parameters, speed.n, quality.instances, quality.miou, speed.images_per_second
    FROM reports.throughput AS speed
    JOIN reports.quality AS quality
      ON (speed.tenant_id, speed.site, speed.variant, speed.dataset, speed.code_version, speed.parameters)
       = (quality.tenant_id, quality.site, quality.variant, quality.dataset, quality.code_version, quality.parameters)
     AND speed.hardware_id IS NOT DISTINCT FROM quality.hardware_id
    WHERE speed.images_per_second IS NOT NULL
)
SELECT point.*, EXISTS (
    SELECT FROM points AS other
    WHERE other.tenant_id = point.tenant_id AND other.dataset = point.dataset
      AND other.miou >= point.miou AND other.images_per_second >= point.images_per_second
      AND (other.miou, other.images_per_second) <> (point.miou, point.images_per_second)
) AS dominated
FROM points AS point
"""


def quality() -> str:
    """Each mean is over the evaluated runs of a row, weighted by the objects that each was asked for, and held between
    the least and the greatest against rounding.
    """
    wanted = {
        name: f"FILTER (WHERE metric = '{metric}' AND area = '{area}' AND max_detections = {limit})"
        for name, (metric, area, limit) in MEANS.items()
    }
    means = ",\n".join(
        f"greatest(min(value) {these}, least(max(value) {these}, "
        f"sum(value * instances) {these} / nullif(sum(instances) {these}, 0))) AS {name}"
        for name, these in wanted.items()
    )
    return f"""
CREATE VIEW reports.quality AS
WITH series AS (
    SELECT id AS series_id, tenant_id, site, variant, hardware_id, dataset, code_version,
           parameters_sha256 AS parameters, origin_run_id
    FROM report_series
), runs AS (
    SELECT {KEYS}, origin_run_id, metric, area, max_detections, max(value) AS value, max(instances) AS instances
    FROM reports.figures JOIN series USING (series_id)
    GROUP BY {KEYS}, origin_run_id, metric, area, max_detections
), evaluated AS (
    SELECT {KEYS}, count(DISTINCT origin_run_id) AS runs_evaluated, {means}
    FROM runs GROUP BY {KEYS}
), measured AS (
    SELECT tenant_id, site, variant, min(hardware) AS hardware, hardware_id, dataset, code_version, parameters,
           sum(n)::bigint AS n, sum(failures)::bigint AS failures, sum(instances)::bigint AS instances,
           sum(iou_sum) / nullif(sum(instances), 0) AS miou
    FROM reports.cells WHERE stage = 'image' GROUP BY {KEYS}
)
SELECT measured.*, coalesce(runs_evaluated, 0) AS runs_evaluated, {", ".join(MEANS)}
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
    op.execute("DROP VIEW reports.pareto")
    op.execute("DROP VIEW reports.quality")
    for view in (FIGURES, quality(), PARETO):
        op.execute(view)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in ("pareto", "quality", "figures"):
        op.execute(f"DROP VIEW reports.{name}")
    op.execute(QUALITY_BEFORE)
    op.execute(PARETO_BEFORE)
