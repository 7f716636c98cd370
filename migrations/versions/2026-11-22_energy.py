"""energy."""

import sqlalchemy as sa
from alembic import op

revision = "c3d8e1a7f204"
down_revision = "e07d52b6a9f3"
branch_labels = None
depends_on = None

CELLS = """
CREATE OR REPLACE VIEW reports.cells AS
SELECT series.tenant_id, series.site, series.origin_job_id AS job_id, series.origin_run_id AS run_id,
       series.variant, series.pool, series.dataset, series.hardware_id,
       hardware.device_name AS hardware, hardware.facts AS hardware_facts,
       coalesce(hardware.facts ->> 'precision', 'fp32') AS precision,
       series.code_version, series.parameters_sha256 AS parameters, series.parameters AS parameters_json,
       cell.stage, cell.hour, cell.batch_class AS batch_size, cell.warmup, cell.n, cell.failures, cell.sum_ms,
       cell.first_bucket, cell.counts, cell.started_at, cell.ended_at, cell.instances, cell.iou_sum,
       {energy} AS energy_j, {images} AS energy_images
FROM rollups AS cell
JOIN report_series AS series ON series.id = cell.series_id
LEFT JOIN hardware ON hardware.id = series.hardware_id
"""
MEASURED = CELLS.format(energy="cell.energy_j", images="cell.energy_images")
# A view that others stand on cannot lose columns, so these stay when the table loses them.
UNMEASURED = CELLS.format(energy="0::double precision", images="0::bigint")
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
COST_BEFORE = """
CREATE VIEW reports.cost AS
SELECT speed.tenant_id, site, variant, hardware, speed.hardware_id, dataset, code_version, parameters, n,
       wall_seconds / 3600 AS hours, per_hour AS price_per_hour, currency, per_hour * wall_seconds / 3600 AS cost,
       per_hour * wall_seconds / 3.6 / nullif(n, 0) AS cost_per_1000_images
FROM reports.throughput AS speed
LEFT JOIN hardware_prices AS price
       ON price.tenant_id = speed.tenant_id AND price.hardware_id = speed.hardware_id
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("image_results", sa.Column("energy_j", sa.Double(), nullable=True))
    op.add_column("rollups", sa.Column("energy_j", sa.Double(), server_default=sa.text("0"), nullable=False))
    op.add_column("rollups", sa.Column("energy_images", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.execute(MEASURED)
    op.execute("DROP VIEW reports.cost")
    op.execute(COST)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP VIEW reports.cost")
    op.execute(COST_BEFORE)
    op.execute(UNMEASURED)
    op.drop_column("rollups", "energy_images")
    op.drop_column("rollups", "energy_j")
    op.drop_column("image_results", "energy_j")
