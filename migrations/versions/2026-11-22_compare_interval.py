"""compare interval."""

from alembic import op

revision = "e07d52b6a9f3"
down_revision = "c3f9b8d1740a"
branch_labels = None
depends_on = None

# Ranks of batches, from 1, that hold the true median between them in 97.5 % of cases or more, whatever the
# distribution: binomial, by its normal approximation rounded outwards. Two such intervals hold together in 95 %.
# Null below nine batches.
BOUNDS = """
CREATE FUNCTION reports.median_bounds(batches bigint, OUT low bigint, OUT high bigint)
IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT nullif(greatest(rank, 0), 0), CASE WHEN rank > 0 THEN batches + 1 - rank END
    FROM floor((batches - 2.2414 * sqrt(batches::float8)) / 2) AS found (whole), CAST(whole AS bigint) AS rank
$$
"""
# Buckets are read as in reports.latency. What two sketches may be off is 1.01 / 0.99.
COMPARE = """
CREATE VIEW reports.compare AS
WITH cells AS (
    SELECT dense_rank() OVER (ORDER BY tenant_id, site, variant, hardware_id, stage, code_version, parameters) AS key, *
    FROM reports.cells WHERE NOT warmup AND hardware_id IS NOT NULL AND n > 0
), sides AS (
    SELECT key, tenant_id, variant, stage, code_version, parameters, hardware_id, min(hardware) AS hardware,
           sum(n)::bigint AS n, least(ceil(sum(n::float8 / greatest(batch_size, 1))), sum(n))::bigint AS batches
    FROM cells GROUP BY key, tenant_id, variant, stage, code_version, parameters, hardware_id
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
    GROUP BY key, tenant_id, variant, stage, code_version, parameters, hardware_id, hardware, n, batches
), ratios AS (
    SELECT a.tenant_id, a.variant, a.stage, a.code_version, a.parameters,
           a.hardware AS a, a.hardware_id AS hardware_id_a, b.hardware AS b, b.hardware_id AS hardware_id_b,
           a.n AS n_a, b.n AS n_b, a.p50_ms AS p50_a_ms, b.p50_ms AS p50_b_ms,
           a.p50_ms / nullif(b.p50_ms, 0) AS ratio,
           a.low_ms / nullif(b.high_ms, 0) * 0.99 / 1.01 AS ratio_low,
           a.high_ms / nullif(b.low_ms, 0) * 1.01 / 0.99 AS ratio_high
    FROM medians AS a
    JOIN medians AS b
      ON (a.tenant_id, a.variant, a.stage, a.code_version, a.parameters)
       = (b.tenant_id, b.variant, b.stage, b.code_version, b.parameters)
     AND a.hardware_id <> b.hardware_id
)
SELECT *, CASE WHEN ratio_high < 1 THEN 'a is faster' WHEN ratio_low > 1 THEN 'b is faster' ELSE 'cannot tell' END
          AS verdict
FROM ratios
"""
COMPARE_BEFORE = """
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
    op.execute("DROP VIEW reports.compare")
    op.execute(BOUNDS)
    op.execute(COMPARE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP VIEW reports.compare")
    op.execute("DROP FUNCTION reports.median_bounds(bigint)")
    op.execute(COMPARE_BEFORE)
