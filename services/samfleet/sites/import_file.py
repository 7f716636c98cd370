"""Import of another site's measurements: the whole file in one transaction, or nothing."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from samfleet.db.models import ReportSeries, Rollup, SeriesQuality, Site
from samfleet.errors import Conflict
from samfleet.jobs.hardware import fingerprint as fingerprint_of
from samfleet.jobs.hardware import remember_hardware
from samfleet.rollups.dataset_labels import dataset_label
from samfleet.rollups.store import digest
from samfleet.sites.key import fingerprint
from samfleet.sites.known import site_of
from samfleet.sites.lines import Content, FigureLine, HardwareLine, Header, RollupLine, SeriesLine
from samfleet.sites.parse import SiteFileDamaged, read_content, verify

ROWS_AT_ONCE = 500


class SiteIsThisOne(Conflict):
    """The file was exported by this site, whose measurements are here already."""

    code = "site_is_this_one"


@dataclass(frozen=True, slots=True)
class Imported:
    """Numbers of runs in an imported file. `unchanged` runs were here already from this export or a later one."""

    site: str
    fingerprint: str
    exported_at: datetime
    added: int
    replaced: int
    unchanged: int


def import_file(
    session: Session,
    tenant_id: uuid.UUID,
    file: IO[bytes],
    *,
    trusted: str | None,
    own_public_key: str | None,
    max_bytes: int,
) -> Imported:
    """Import a file. Nothing is written before the whole file is verified as signed by a trusted site."""
    header = verify(file, max_bytes)
    if header.public_key == own_public_key:
        raise SiteIsThisOne
    site = site_of(session, tenant_id, header, trusted)
    importer = _Importer(session, site, header)
    try:
        for line in read_content(file, max_bytes):
            importer.add(line)
        importer.write_rows()
    except IntegrityError as error:
        raise SiteFileDamaged("the file has an entry twice; have it exported again") from error
    site.exported_at = max(site.exported_at, header.exported_at)
    site.imported_at = func.now()
    session.flush()
    counts = importer.counts
    return Imported(
        site=site.name,
        fingerprint=fingerprint(site.public_key),
        exported_at=header.exported_at,
        added=counts["added"],
        replaced=counts["replaced"],
        unchanged=counts["unchanged"],
    )


@dataclass(slots=True)
class _Importer:
    """Import of one file.

    `series` maps series numbers of the file to ids here, or to None for runs that stay unchanged. A run is replaced
    whole: after a retry or a rebuild it may have lost a series.
    """

    session: Session
    site: Site
    header: Header
    machines: dict[str, uuid.UUID] = field(default_factory=dict)
    runs: dict[uuid.UUID, bool] = field(default_factory=dict)
    series: dict[int, int | None] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    rollups: list[dict[str, Any]] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)

    def add(self, line: Content) -> None:
        if isinstance(line, HardwareLine):
            self._add_hardware(line)
        elif isinstance(line, SeriesLine):
            self._add_series(line)
        else:
            self._add_row(line)

    def write_rows(self) -> None:
        for model, rows in ((Rollup, self.rollups), (SeriesQuality, self.figures)):
            if rows:
                self.session.execute(insert(model), rows)
                rows.clear()

    def _add_hardware(self, line: HardwareLine) -> None:
        """Store the hardware by its facts; the stated fingerprint is checked against them."""
        if fingerprint_of(line.facts) != line.fingerprint_sha256:
            raise SiteFileDamaged("the fingerprint of a machine in the file does not match its facts")
        if (machine := remember_hardware(self.session, [line.facts]).id_of(line.facts)) is not None:
            self.machines[line.fingerprint_sha256] = machine

    def _add_series(self, line: SeriesLine) -> None:
        if digest(line.parameters) != line.parameters_sha256:
            raise SiteFileDamaged("the digest of a series in the file does not match its parameters")
        if line.series in self.series or (line.hardware is not None and line.hardware not in self.machines):
            raise SiteFileDamaged("the file has a series twice, or lacks the machine of a series")
        if line.run_id not in self.runs:
            self.runs[line.run_id] = self._begin_run(line.run_id)
        self.series[line.series] = self._new_series(line) if self.runs[line.run_id] else None

    def _begin_run(self, run_id: uuid.UUID) -> bool:
        """Return True if the run is new or newer than the stored one, which is deleted then."""
        known = (ReportSeries.site_id == self.site.id, ReportSeries.origin_run_id == run_id)
        exported_at = self.session.scalars(select(func.max(ReportSeries.exported_at)).where(*known)).one()
        if exported_at is not None and exported_at >= self.header.exported_at:
            self.counts["unchanged"] += 1
            return False
        self.session.execute(delete(ReportSeries).where(*known))
        self.counts["added" if exported_at is None else "replaced"] += 1
        return True

    def _new_series(self, line: SeriesLine) -> int:
        values = {
            "tenant_id": self.site.tenant_id,
            "site": self.site.name,
            "site_id": self.site.id,
            "exported_at": self.header.exported_at,
            "origin_run_id": line.run_id,
            "origin_job_id": line.job_id,
            "hardware_id": self.machines[line.hardware] if line.hardware is not None else None,
            "dataset": dataset_label(self.session, self.site.tenant_id, line.dataset, line.dataset_content),
            **line.model_dump(
                include={"variant", "pool", "dataset_content", "code_version", "parameters", "parameters_sha256"}
            ),
        }
        found: int = self.session.execute(insert(ReportSeries).values(values).returning(ReportSeries.id)).scalar_one()
        return found

    def _add_row(self, line: RollupLine | FigureLine) -> None:
        if line.series not in self.series:
            raise SiteFileDamaged("the file has measurements of a series that it does not contain")
        series_id = self.series[line.series]
        if series_id is None:
            return
        rows = self.rollups if isinstance(line, RollupLine) else self.figures
        rows.append({"series_id": series_id, **line.model_dump(exclude={"kind", "series"})})
        if len(rows) >= ROWS_AT_ONCE:
            self.write_rows()
