"""Export of a site's measurements as a signed file: gzipped JSON lines, streamed from the database."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from samfleet.db.models import Hardware, ReportSeries, Rollup
from samfleet.errors import Conflict
from samfleet.jobs.hardware import fingerprint as fingerprint_of
from samfleet.reports.figures import figures_by_series
from samfleet.reports.query import ReportQuery
from samfleet.sites.key import SiteKey
from samfleet.sites.lines import FigureLine, HardwareLine, Header, RollupLine, SeriesLine, Signature
from samfleet.version import code_version

SERIES_AT_ONCE = 100
ROWS_AT_ONCE = 1000
GZIP = 31  # zlib's name for a gzip stream with its largest window
ROLLUP_COLUMNS = tuple(name for name in RollupLine.model_fields if name not in {"kind", "series"})
FIGURE_COLUMNS = tuple(name for name in FigureLine.model_fields if name not in {"kind", "series"})

Line = Header | HardwareLine | SeriesLine | RollupLine | FigureLine


class SiteUnnamed(Conflict):
    """This site has no name for others to know it by; set SAMFLEET_SITE, restart and export again."""

    code = "site_unnamed"


@dataclass(frozen=True, slots=True)
class Identity:
    name: str
    key: SiteKey


def export(session: Session, query: ReportQuery, site: Identity) -> Iterator[bytes]:
    """Yield the file in pieces, from one snapshot of the database.

    The query chooses whole runs: if any series of a run passes, the whole run is exported. So an importer may replace
    all that it had of the run by a later export. Measurements imported from other sites are not exported.
    """
    digest, packer = hashlib.sha256(), zlib.compressobj(wbits=GZIP)
    for line in _lines(session, query, site):
        written = line.model_dump_json().encode() + b"\n"
        digest.update(written)
        if packed := packer.compress(written):
            yield packed
    signature = Signature(sha256=digest.hexdigest(), signature=site.key.sign(digest.digest()))
    yield packer.compress(signature.model_dump_json().encode() + b"\n") + packer.flush()


def _lines(session: Session, query: ReportQuery, site: Identity) -> Iterator[Line]:
    now: datetime = session.scalars(select(func.now())).one()
    yield Header(site=site.name, public_key=site.key.public, exported_at=now, code_version=code_version())
    exported: set[str] = set()
    for batch in _batches(session, query):
        for series, facts in batch:
            machine = fingerprint_of(facts) if facts is not None else None
            if machine is not None and facts is not None and machine not in exported:
                exported.add(machine)
                yield HardwareLine(fingerprint_sha256=machine, facts=facts)
            yield _series_line(series, machine)
        yield from _measured(session, [series.id for series, _ in batch])


def _batches(session: Session, query: ReportQuery) -> Iterator[Sequence[tuple[ReportSeries, dict[str, Any] | None]]]:
    series = select(ReportSeries, Hardware.facts).outerjoin(Hardware, Hardware.id == ReportSeries.hardware_id)
    own = series.where(
        ReportSeries.tenant_id == query.tenant_id,
        ReportSeries.site_id.is_(None),
        ReportSeries.origin_run_id.in_(_runs(query)),
    )
    last = 0
    while batch := session.execute(
        own.where(ReportSeries.id > last).order_by(ReportSeries.id).limit(SERIES_AT_ONCE)
    ).all():
        yield [(row[0], row[1]) for row in batch]
        last = batch[-1][0].id
        session.expunge_all()


def _runs(query: ReportQuery) -> Select[Any]:
    """Select runs with a series that passes the filters and has measurements between `since` and `until`."""
    measured = select(Rollup.series_id).where(Rollup.series_id == ReportSeries.id)
    if query.since is not None:
        measured = measured.where(Rollup.hour >= query.since)
    if query.until is not None:
        measured = measured.where(Rollup.hour < query.until)
    return query.select_series(ReportSeries.origin_run_id).where(ReportSeries.site_id.is_(None), measured.exists())


def _series_line(series: ReportSeries, machine: str | None) -> SeriesLine:
    return SeriesLine(
        series=series.id,
        run_id=series.origin_run_id,
        job_id=series.origin_job_id,
        variant=series.variant,
        pool=series.pool,
        dataset=series.dataset,
        dataset_content=series.dataset_content,
        hardware=machine,
        code_version=series.code_version,
        parameters=series.parameters,
        parameters_sha256=series.parameters_sha256,
    )


def _measured(session: Session, series_ids: Sequence[int]) -> Iterator[Line]:
    columns = [getattr(Rollup, name) for name in ROLLUP_COLUMNS]
    rollups = select(Rollup.series_id.label("series"), *columns).where(Rollup.series_id.in_(series_ids))
    ordered = rollups.order_by(Rollup.series_id, Rollup.stage, Rollup.hour, Rollup.batch_class, Rollup.warmup)
    for row in session.execute(ordered, execution_options={"yield_per": ROWS_AT_ONCE}).mappings():
        yield RollupLine(**row)
    figure = figures_by_series().c
    figures = select(figure.series_id.label("series"), *(figure[name] for name in FIGURE_COLUMNS))
    chosen = figures.where(figure.series_id.in_(series_ids))
    for row in session.execute(
        chosen.order_by(figure.series_id, figure.metric, figure.area, figure.max_detections),
        execution_options={"yield_per": ROWS_AT_ONCE},
    ).mappings():
        yield FigureLine(**row)
