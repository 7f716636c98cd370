"""Makes a year of rollups from a month of them, to see how reports slow down as they grow."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine, text

from samfleet.db.session import transaction

DAYS_BETWEEN = 73  # spreads five copies of a month over a year
SERIES = """
INSERT INTO report_series (tenant_id, site, origin_run_id, origin_job_id, variant, pool, dataset, hardware_id,
                           code_version, parameters, parameters_sha256)
SELECT tenant_id, site, gen_random_uuid(), gen_random_uuid(), variant, pool, dataset, hardware_id,
       code_version, parameters || jsonb_build_object('copied', id), parameters_sha256
FROM report_series WHERE run_id IS NOT NULL ORDER BY id
RETURNING id, (parameters ->> 'copied')::bigint AS origin
"""
ROLLUPS = """
INSERT INTO rollups (series_id, stage, hour, batch_class, warmup, n, failures, sum_ms, first_bucket, counts,
                     started_at, ended_at, instances, iou_sum)
SELECT :copy, stage, hour + :shift, batch_class, warmup, n, failures, sum_ms, first_bucket, counts,
       started_at + :shift, ended_at + :shift, instances, iou_sum
FROM rollups WHERE series_id = :origin
"""


def grow(engine: Engine, times: int) -> None:
    """Copy every series with its rollups until there are `times` as many, each copy later than the one before."""
    for number in range(1, times):
        with transaction(engine) as session:
            copies, shift = session.execute(text(SERIES)).all(), timedelta(days=DAYS_BETWEEN * number)
            for copy, origin in copies:
                session.execute(text(ROLLUPS), {"copy": copy, "origin": origin, "shift": shift})
            session.execute(text("UPDATE report_series SET parameters = parameters - 'copied' WHERE run_id IS NULL"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE rollups, report_series"))
