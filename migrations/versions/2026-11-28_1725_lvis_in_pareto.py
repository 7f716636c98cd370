"""LVIS's AP in the view reports.pareto.

Expand only: a column at the end of the view, and rows of another quality.
"""

from alembic import op

revision = "5b1f0d27c9e4"
down_revision = "5d0c3b7e9a12"
branch_labels = None
depends_on = None

MEASURES = "('miou', quality.miou), ('ap', quality.ap), ('ar', quality.ar_1000)"


def _pareto(create: str, measures: str, added: str) -> str:
    """Return the statement of the view, as in the first migration of views but for these measures and columns."""
    return f"""
{create} VIEW reports.pareto AS
WITH tasks AS (
    SELECT DISTINCT tenant_id, parameters_sha256 AS parameters, concat_ws(
        ' ', parameters -> 'task' ->> 'kind', parameters -> 'task' ->> 'prompt',
        CASE parameters -> 'task' ->> 'boxes_from' WHEN 'annotations' THEN 'annotations' END
    ) AS task
    FROM report_series
), points AS (
    SELECT speed.tenant_id, speed.site, speed.variant, speed.hardware, speed.hardware_id, speed.dataset,
           speed.code_version, speed.parameters, speed.n, quality.instances, quality.miou, quality.ap, quality.ar_1000,
           speed.images_per_second, speed.images_per_gpu_hour, measure.quality, measure.value, tasks.task,
           quality.lvis_ap
    FROM reports.throughput AS speed
    JOIN reports.quality AS quality
      ON (speed.tenant_id, speed.site, speed.variant, speed.dataset, speed.code_version, speed.parameters)
       = (quality.tenant_id, quality.site, quality.variant, quality.dataset, quality.code_version, quality.parameters)
     AND speed.hardware_id IS NOT DISTINCT FROM quality.hardware_id
    JOIN tasks ON (tasks.tenant_id, tasks.parameters) = (speed.tenant_id, speed.parameters)
    CROSS JOIN LATERAL (VALUES {measures})
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
) AS dominated{added}
FROM points AS point
"""  # noqa: S608 - from constants here


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(_pareto("CREATE OR REPLACE", f"{MEASURES}, ('lvis_ap', quality.lvis_ap)", ", lvis_ap"))


def downgrade() -> None:
    op.execute("DROP VIEW reports.pareto")
    op.execute(_pareto("CREATE", MEASURES, ""))
