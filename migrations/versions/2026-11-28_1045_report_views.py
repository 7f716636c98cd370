"""report views."""

from alembic import op

revision = "b4d6f0a83e21"
down_revision = "7d2e9b662217"
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


def _mean(metric: str, area: str, limit: int) -> str:
    """Return the SQL of a figure's mean over the evaluated runs of a row, weighted by their instances.

    It is clamped to the range of the values against rounding.
    """
    these = f"FILTER (WHERE metric = '{metric}' AND area = '{area}' AND max_detections = {limit})"
    weighted = f"sum(value * instances) {these} / nullif(sum(instances) {these}, 0)"
    return f"greatest(min(value) {these}, least(max(value) {these}, {weighted}))"


NAMES = ", ".join(MEANS)
WEIGHTED = ",\n".join(f"{_mean(*figure)} AS {name}" for name, figure in MEANS.items())
CELLS = """
CREATE VIEW reports.cells AS
SELECT series.tenant_id, series.site, series.origin_job_id AS job_id, series.origin_run_id AS run_id,
       series.variant, series.pool, series.dataset, series.hardware_id,
       hardware.device_name AS hardware, hardware.facts AS hardware_facts,
       coalesce(hardware.facts ->> 'precision', 'fp32') AS precision,
       series.code_version, series.parameters_sha256 AS parameters, series.parameters AS parameters_json,
       cell.stage, cell.hour, cell.batch_class AS batch_size, cell.warmup, cell.n, cell.failures, cell.sum_ms,
       cell.first_bucket, cell.counts, cell.started_at, cell.ended_at, cell.instances, cell.iou_sum,
       cell.energy_j, cell.energy_images
FROM rollups AS cell
JOIN report_series AS series ON series.id = cell.series_id
LEFT JOIN hardware ON hardware.id = series.hardware_id
"""
# Bucket i has the value 2 g^i / (g + 1) with g = 1.01 / 0.99 (samfleet.rollups.sketch); times below all buckets are 0.
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
# If all images failed, the busy share is 0, as in the API.
THROUGHPUT = """
CREATE VIEW reports.throughput AS
WITH runs AS (
    SELECT tenant_id, site, variant, hardware_id, min(hardware) AS hardware, dataset, code_version, parameters, run_id,
           sum(n) FILTER (WHERE stage = 'image') AS n, sum(failures) FILTER (WHERE stage = 'image') AS failures,
           extract(epoch FROM max(ended_at) - min(started_at)) AS wall_seconds,
           coalesce(sum(sum_ms) FILTER (WHERE stage = 'image'), 0) AS image_ms,
           coalesce(sum(sum_ms) FILTER (WHERE stage IN ('encode', 'decode', 'postprocess')), 0) AS gpu_ms,
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
FIGURES = """
CREATE VIEW reports.figures AS
SELECT series.id AS series_id, figure.metric, figure.area, figure.max_detections, figure.value, figure.instances
FROM run_quality AS figure JOIN report_series AS series ON series.run_id = figure.run_id
UNION ALL
SELECT series_id, metric, area, max_detections, value, instances FROM series_quality
"""
QUALITY = f"""
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
    SELECT {KEYS}, count(DISTINCT origin_run_id) AS runs_evaluated, {WEIGHTED}
    FROM runs GROUP BY {KEYS}
), measured AS (
    SELECT tenant_id, site, variant, min(hardware) AS hardware, hardware_id, dataset, code_version, parameters,
           sum(n)::bigint AS n, sum(failures)::bigint AS failures, sum(instances)::bigint AS instances,
           sum(iou_sum) / nullif(sum(instances), 0) AS miou
    FROM reports.cells WHERE stage = 'image' GROUP BY {KEYS}
)
SELECT measured.*, coalesce(runs_evaluated, 0) AS runs_evaluated, {NAMES}
FROM measured
LEFT JOIN evaluated
       ON (measured.tenant_id, measured.site, measured.variant, measured.dataset, measured.code_version,
           measured.parameters)
        = (evaluated.tenant_id, evaluated.site, evaluated.variant, evaluated.dataset, evaluated.code_version,
           evaluated.parameters)
      AND measured.hardware_id IS NOT DISTINCT FROM evaluated.hardware_id
WHERE measured.instances > 0 OR runs_evaluated > 0
"""  # noqa: S608 - from constants above
COST = """
CREATE VIEW reports.cost AS
WITH energy AS (
    SELECT tenant_id, site, variant, hardware_id, dataset, code_version, parameters,
           sum(energy_j) / 3600 AS energy_wh, sum(energy_images) AS images
    FROM reports.cells WHERE stage = 'image' AND NOT warmup
    GROUP BY tenant_id, site, variant, hardware_id, dataset, code_version, parameters
    HAVING sum(energy_images) > 0
)
SELECT speed.tenant_id, speed.site, speed.variant, speed.hardware, speed.hardware_id, speed.dataset,
       speed.code_version, speed.parameters, speed.n,
       device.hours, wall_seconds / 3600 AS clock_hours, per_hour AS price_per_hour, currency,
       per_hour * device.hours AS cost, per_hour * device.hours * 1000 / nullif(n, 0) AS cost_per_1000_images,
       energy_wh, (energy_wh * 1000 / images)::float8 AS wh_per_1000_images
FROM reports.throughput AS speed
CROSS JOIN LATERAL (SELECT coalesce(n / nullif(images_per_gpu_hour, 0), 0) AS hours) AS device
LEFT JOIN hardware_prices AS price
       ON price.tenant_id = speed.tenant_id AND price.hardware_id = speed.hardware_id
LEFT JOIN energy
       ON (speed.tenant_id, speed.site, speed.variant, speed.dataset, speed.code_version, speed.parameters)
        = (energy.tenant_id, energy.site, energy.variant, energy.dataset, energy.code_version, energy.parameters)
      AND speed.hardware_id IS NOT DISTINCT FROM energy.hardware_id
"""
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
# Ranks of batches, from 1, that enclose the true median in at least 97.5 % of cases, for any distribution: binomial, by
# its normal approximation rounded outwards. Two such intervals both hold in 95 %. Null below nine batches.
BOUNDS = """
CREATE FUNCTION reports.median_bounds(batches bigint, OUT low bigint, OUT high bigint)
IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT nullif(greatest(rank, 0), 0), CASE WHEN rank > 0 THEN batches + 1 - rank END
    FROM floor((batches - 2.2414 * sqrt(batches::float8)) / 2) AS found (whole), CAST(whole AS bigint) AS rank
$$
"""
# Buckets are read as in reports.latency. The ratio of two sketches is off by at most 1.01 / 0.99.
COMPARE = """
CREATE VIEW reports.compare AS
WITH cells AS (
    SELECT dense_rank() OVER (
               ORDER BY tenant_id, site, variant, hardware_id, stage, dataset, code_version, parameters
           ) AS key, *
    FROM reports.cells WHERE NOT warmup AND hardware_id IS NOT NULL AND n > 0
), sides AS (
    SELECT key, tenant_id, variant, stage, dataset, code_version, parameters, hardware_id, min(hardware) AS hardware,
           sum(n)::bigint AS n, least(ceil(sum(n::float8 / greatest(batch_size, 1))), sum(n))::bigint AS batches
    FROM cells GROUP BY key, tenant_id, variant, stage, dataset, code_version, parameters, hardware_id
), buckets AS (
    SELECT key, first_bucket + place::int - 1 AS bucket, sum(count) AS count
    FROM cells, unnest(counts) WITH ORDINALITY AS filled (count, place) WHERE count > 0 GROUP BY 1, 2
    UNION ALL
    SELECT key, NULL, sum(n - (SELECT coalesce(sum(count), 0) FROM unnest(counts) AS count)) FROM cells GROUP BY key
), ranked AS (
    SELECT key, coalesce(2 * exp(bucket * ln(1.01::float8 / 0.99)) / (1.01::float8 / 0.99 + 1), 0) AS ms,
           sum(count) OVER (PARTITION BY key ORDER BY bucket NULLS FIRST) AS reached
    FROM buckets
), medians AS (
    SELECT sides.*, min(ms) FILTER (WHERE reached > 0.5 * (n - 1)) AS p50_ms,
           min(ms) FILTER (WHERE reached > floor((low - 1) * n::float8 / batches)) AS low_ms,
           min(ms) FILTER (WHERE reached > ceil(high * n::float8 / batches) - 1) AS high_ms
    FROM sides JOIN ranked USING (key), reports.median_bounds(batches)
    GROUP BY key, tenant_id, variant, stage, dataset, code_version, parameters, hardware_id, hardware, n, batches
), ratios AS (
    SELECT a.tenant_id, a.variant, a.stage, a.dataset, a.code_version, a.parameters,
           a.hardware AS a, a.hardware_id AS hardware_id_a, b.hardware AS b, b.hardware_id AS hardware_id_b,
           a.n AS n_a, b.n AS n_b, a.p50_ms AS p50_a_ms, b.p50_ms AS p50_b_ms,
           a.p50_ms / nullif(b.p50_ms, 0) AS ratio,
           a.low_ms / nullif(b.high_ms, 0) * 0.99 / 1.01 AS ratio_low,
           a.high_ms / nullif(b.low_ms, 0) * 1.01 / 0.99 AS ratio_high
    FROM medians AS a
    JOIN medians AS b
      ON (a.tenant_id, a.variant, a.stage, a.dataset, a.code_version, a.parameters)
       = (b.tenant_id, b.variant, b.stage, b.dataset, b.code_version, b.parameters)
     AND a.hardware_id <> b.hardware_id
)
SELECT *, CASE WHEN ratio_high < 1 THEN 'a is faster' WHEN ratio_low > 1 THEN 'b is faster' ELSE 'cannot tell' END
          AS verdict
FROM ratios
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("CREATE SCHEMA reports")
    for statement in (CELLS, LATENCY, THROUGHPUT, FIGURES, QUALITY, COST, PARETO, BOUNDS, COMPARE):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP SCHEMA reports CASCADE")
