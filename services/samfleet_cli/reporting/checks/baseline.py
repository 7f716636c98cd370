"""Measurements that are checked, and the file that keeps earlier ones."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from samfleet.errors import Conflict, InvalidInput
from samfleet.files import write_text

KEYS = ("variant", "hardware", "precision", "dataset", "task", "stage")
_GZIP_BEGIN, _GZIP_WINDOW = b"\x1f\x8b", 31
_HEADER_BYTES = 4096  # the first line of an export takes a tenth
Key = tuple[str | None, ...]


class BaselineInvalid(InvalidInput):
    """The file is no baseline; write one with `samfleet report check --write-baseline FILE`."""

    code = "baseline_invalid"


class MeasurementsAmbiguous(Conflict):
    """Several measurements are of the same work; choose one by --job, or one machine by its id with --hardware."""

    code = "measurements_ambiguous"


class Measurement(BaseModel):
    """One variant on one machine with one task on one dataset. Times are of one image, in milliseconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    variant: str
    hardware: str | None
    precision: str | None
    dataset: str | None
    task: str
    stage: str
    code_version: str
    n: int = Field(ge=0)
    p50_ms: float | None = Field(ge=0)
    low_ms: float | None = Field(ge=0, description="Lower bound of the 95 % interval of the median.")
    high_ms: float | None = Field(ge=0)
    miou: float | None = Field(ge=0, le=1)
    instances: int = Field(ge=0)

    @property
    def key(self) -> Key:
        return tuple(getattr(self, name) for name in KEYS)

    @property
    def words(self) -> str:
        """Return the name in messages: variant, machine with its precision, dataset, task and stage."""
        machine = " ".join(filter(None, (self.hardware or "unknown hardware", self.precision)))
        stage = "" if self.stage == "image" else f", stage {self.stage}"
        return f"{self.variant} on {machine}, {self.dataset or 'no dataset'}, {self.task}{stage}"


class Baseline(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal["samfleet-baseline/1"] = "samfleet-baseline/1"
    made_at: datetime
    job: str | None = Field(description="Job of the measurements; null if they were chosen by other filters.")
    measurements: list[Measurement]


def read_baseline(path: Path) -> Baseline:
    """Read a file of `write_baseline`. Raises `BaselineInvalid`, which says so if it is an export of a site instead."""
    content = path.read_bytes()
    try:
        return Baseline.model_validate_json(content)
    except ValidationError as error:
        if (site := _exporting_site(content)) is not None:
            raise BaselineInvalid(
                f"{path} has the measurements of the site {site} (`samfleet report export`) and is no baseline, which "
                "is of one job and has intervals; write one there with `samfleet report check --job JOB "
                "--write-baseline FILE`, or see this file beside yours with `samfleet report import` and `samfleet "
                "report compare`"
            ) from error
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BaselineInvalid(
            f"{path} is no baseline: {place}: {first['msg']}; write one with `samfleet report check --write-baseline`"
        ) from error


def _exporting_site(content: bytes) -> str | None:
    """Return the site of an export of measurements, by its header; None for any other file."""
    from samfleet.sites.lines import Header

    try:
        if content.startswith(_GZIP_BEGIN):
            content = zlib.decompressobj(_GZIP_WINDOW).decompress(content, _HEADER_BYTES)
        return Header.model_validate_json(content[:_HEADER_BYTES].partition(b"\n")[0]).site
    except (zlib.error, ValidationError):
        return None


def write_baseline(path: Path, measurements: Sequence[Measurement], job: str | None) -> None:
    found = Baseline(made_at=datetime.now(UTC), job=job, measurements=list(measurements))
    write_text(path, found.model_dump_json(indent=2) + "\n")


def measurements_of(times: Iterable[Mapping[str, Any]], quality: Iterable[Mapping[str, Any]]) -> list[Measurement]:
    """Return the measurements of rows of the latency report (with intervals) and of the quality report.

    Raises `MeasurementsAmbiguous` if two rows differ in nothing that a later measurement can be paired by.
    """
    agreement = {_identity(row): row for row in quality}
    found: dict[Key, Measurement] = {}
    for row in times:
        agreed = agreement.get(_identity(row), {})
        one = Measurement(
            **{name: row[name] for name in ("variant", "hardware", "precision", "dataset", "stage", "code_version")},
            task=row["task_in_words"],
            n=row["n"],
            p50_ms=row["p50_ms"],
            low_ms=row["p50_low_ms"],
            high_ms=row["p50_high_ms"],
            miou=agreed.get("miou"),
            instances=agreed.get("instances", 0),
        )
        if one.key in found:
            raise MeasurementsAmbiguous(
                f"several measurements are of {one.words}; choose one job with --job, or one machine by its id with "
                "--hardware"
            )
        found[one.key] = one
    return list(found.values())


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("variant", "hardware_id", "precision", "dataset", "site", "code_version", "parameters")
    return tuple(row[name] for name in names)
