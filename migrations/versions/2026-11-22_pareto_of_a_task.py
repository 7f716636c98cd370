"""pareto of a task."""

from alembic import op

revision = "19c6a0fe83d5"
down_revision = "27d9f0c6a18e"
branch_labels = None
depends_on = None

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
PARETO_BEFORE = """
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


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP VIEW reports.pareto")
    op.execute(PARETO)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP VIEW reports.pareto")
    op.execute(PARETO_BEFORE)
