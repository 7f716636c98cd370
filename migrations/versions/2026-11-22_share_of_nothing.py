"""share of nothing."""

from alembic import op

revision = "b8f4d16e0c27"
down_revision = "e6b9d2f04a71"
branch_labels = None
depends_on = None

# Where all images failed, the devices were busy for none of the time, as the API says.
THROUGHPUT = """
CREATE OR REPLACE VIEW reports.throughput AS
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
BEFORE = """
CREATE OR REPLACE VIEW reports.throughput AS
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


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(THROUGHPUT)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(BEFORE)
