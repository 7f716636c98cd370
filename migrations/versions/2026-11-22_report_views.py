"""report views."""

from alembic import op

revision = "d80c3a51e7f6"
down_revision = "5b1f6e0c94d2"
branch_labels = None
depends_on = None

CELLS = """
CREATE VIEW reports.cells AS
SELECT series.tenant_id, series.site, series.origin_job_id AS job_id, series.origin_run_id AS run_id,
       series.variant, series.pool, series.dataset, series.hardware_id,
       hardware.device_name AS hardware, hardware.facts AS hardware_facts,
       coalesce(hardware.facts ->> 'precision', 'fp32') AS precision,
       series.code_version, series.parameters_sha256 AS parameters, series.parameters AS parameters_json,
       cell.stage, cell.hour, cell.batch_class AS batch_size, cell.warmup, cell.n, cell.failures, cell.sum_ms,
       cell.first_bucket, cell.counts, cell.started_at, cell.ended_at, cell.instances, cell.iou_sum
FROM rollups AS cell
JOIN report_series AS series ON series.id = cell.series_id
LEFT JOIN hardware ON hardware.id = series.hardware_id
"""
# Bucket i stands for 2 g^i / (g + 1) with g = 1.01 / 0.99 (samfleet.rollups.sketch); what no bucket holds is 0.
LATENCY = """
CREATE VIEW reports.latency AS
WITH keyed AS (
    SELECT *, dense_rank() OVER (ORDER BY tenant_id, site, variant, hardware_id, stage, code_version, parameters) AS key
    FROM reports.cells WHERE NOT warmup
), totals AS (
    SELECT key, tenant_id, site, variant, hardware_id, min(hardware) AS hardware, stage, code_version, parameters,
           sum(n)::bigint AS n, sum(failures)::bigint AS failures, sum(sum_ms) / nullif(sum(n), 0) AS mean_ms
    FROM keyed GROUP BY key, tenant_id, site, variant, hardware_id, stage, code_version, parameters
), buckets AS (
    SELECT key, first_bucket + place::int - 1 AS bucket, sum(count) AS count
    FROM keyed, unnest(counts) WITH ORDINALITY AS filled (count, place) WHERE count > 0 GROUP BY 1, 2
    UNION ALL
    SELECT key, NULL, sum(n - (SELECT coalesce(sum(count), 0) FROM unnest(counts) AS count)) FROM keyed GROUP BY key
), ranked AS (
    SELECT key, coalesce(2 * exp(bucket * ln(1.01::float8 / 0.99)) / (1.01::float8 / 0.99 + 1), 0) AS ms,
           sum(count) OVER (PARTITION BY key ORDER BY bucket NULLS FIRST) AS reached
    FROM buckets
)
SELECT tenant_id, site, variant, hardware, hardware_id, stage, code_version, parameters, n, failures, mean_ms,
       min(ms) FILTER (WHERE n > 0 AND reached > 0.5 * (n - 1)) AS p50_ms,
       min(ms) FILTER (WHERE n > 0 AND reached > 0.9 * (n - 1)) AS p90_ms,
       min(ms) FILTER (WHERE n > 0 AND reached > 0.95 * (n - 1)) AS p95_ms,
       min(ms) FILTER (WHERE n > 0 AND reached > 0.99 * (n - 1)) AS p99_ms
FROM totals JOIN ranked USING (key)
GROUP BY key, tenant_id, site, variant, hardware, hardware_id, stage, code_version, parameters, n, failures, mean_ms
"""
THROUGHPUT = """
CREATE VIEW reports.throughput AS
WITH runs AS (
    SELECT tenant_id, site, variant, hardware_id, min(hardware) AS hardware, dataset, code_version, parameters, run_id,
           sum(n) FILTER (WHERE stage = 'image') AS n, sum(failures) FILTER (WHERE stage = 'image') AS failures,
           extract(epoch FROM max(ended_at) - min(started_at)) AS wall_seconds,
           sum(sum_ms) FILTER (WHERE stage = 'image') AS image_ms,
           sum(sum_ms) FILTER (WHERE stage IN ('encode', 'decode', 'postprocess')) AS gpu_ms,
           coalesce(sum(sum_ms) FILTER (WHERE stage = 'queue'), 0) AS queue_ms
    FROM reports.cells WHERE NOT warmup
    GROUP BY tenant_id, site, variant, hardware_id, dataset, code_version, parameters, run_id
)
SELECT tenant_id, site, variant, min(hardware) AS hardware, hardware_id, dataset, code_version, parameters,
       sum(n)::bigint AS n, sum(failures)::bigint AS failures, sum(wall_seconds)::float8 AS wall_seconds,
       (sum(n) / nullif(sum(wall_seconds), 0))::float8 AS images_per_second,
       (sum(n) * 3600000 / nullif(sum(gpu_ms), 0))::float8 AS images_per_gpu_hour,
       (sum(gpu_ms) / nullif(sum(wall_seconds) * 1000, 0))::float8 AS gpu_busy_share,
       (sum(queue_ms) / nullif(sum(queue_ms) + sum(image_ms), 0))::float8 AS queue_share
FROM runs GROUP BY tenant_id, site, variant, hardware_id, dataset, code_version, parameters
"""
QUALITY = """
CREATE VIEW reports.quality AS
SELECT tenant_id, site, variant, min(hardware) AS hardware, hardware_id, dataset, code_version, parameters,
       sum(n)::bigint AS n, sum(instances)::bigint AS instances, sum(iou_sum) / sum(instances) AS miou
FROM reports.cells WHERE stage = 'image'
GROUP BY tenant_id, site, variant, hardware_id, dataset, code_version, parameters
HAVING sum(instances) > 0
"""
COST = """
CREATE VIEW reports.cost AS
SELECT speed.tenant_id, site, variant, hardware, speed.hardware_id, dataset, code_version, parameters, n,
       wall_seconds / 3600 AS hours, per_hour AS price_per_hour, currency, per_hour * wall_seconds / 3600 AS cost,
       per_hour * wall_seconds / 3.6 / nullif(n, 0) AS cost_per_1000_images
FROM reports.throughput AS speed
LEFT JOIN hardware_prices AS price
       ON price.tenant_id = speed.tenant_id AND price.hardware_id = speed.hardware_id
"""
PARETO = """
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
COMPARE = """
CREATE VIEW reports.compare AS
SELECT a.tenant_id, a.variant, a.stage, a.code_version, a.parameters, a.hardware AS a, a.hardware_id AS hardware_id_a,
       b.hardware AS b, b.hardware_id AS hardware_id_b, a.n AS n_a, b.n AS n_b, a.p50_ms AS p50_a_ms,
       b.p50_ms AS p50_b_ms, a.p50_ms / nullif(b.p50_ms, 0) AS ratio
FROM reports.latency AS a
JOIN reports.latency AS b
  ON (a.tenant_id, a.variant, a.stage, a.code_version, a.parameters)
   = (b.tenant_id, b.variant, b.stage, b.code_version, b.parameters)
 AND a.hardware_id <> b.hardware_id
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("CREATE SCHEMA reports")
    for view in (CELLS, LATENCY, THROUGHPUT, QUALITY, COST, PARETO, COMPARE):
        op.execute(view)


def downgrade() -> None:
    op.execute("DROP SCHEMA reports CASCADE")
