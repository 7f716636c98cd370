"""Lines of an export, each a JSON object: a header, machines, series with their measurements, and a signature.

The signature comes last and covers all lines before it. All data of other sites is validated by these models before
use.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

from samfleet.quality.resampling import REPLICATES
from samfleet.rollups.measures import BATCH_CLASSES, NO_BATCH, STAGE_SQL
from samfleet.rollups.sketch import GREATEST_MS, LEAST_MS, bucket_of
from samfleet.site_names import SITE_NAME
from samfleet.wire.stages import IMAGE, MODEL

FORMAT: Literal["samfleet-measurements"] = "samfleet-measurements"
VERSION = 2  # 1 had no `dataset_content`
_BUCKETS = (bucket_of(LEAST_MS) or 0, bucket_of(GREATEST_MS) or 0)
_MOST_REPLICATES = 10 * REPLICATES  # a later version may have more
_MOST_MEAN_IOU = 1 + 1e-9  # sums of floats are rounded
_STAGES = frozenset({*STAGE_SQL, MODEL, IMAGE})
_CLASSES = frozenset({NO_BATCH, *BATCH_CLASSES, 2 * BATCH_CLASSES[-1]})

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Small = Annotated[int, Field(ge=0, le=2**31 - 1)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Sum = Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)]
Instant = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(2200, 1, 1, tzinfo=UTC))]


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse NaN, which PostgreSQL's JSON cannot store."""
    json.dumps(value, allow_nan=False)
    return value


Object = Annotated[dict[str, Any], AfterValidator(_storable)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Header(_Line):
    """First line. `exported_at`, by the clock of the site, orders its exports."""

    kind: Literal["header"] = "header"
    format: Literal["samfleet-measurements"] = FORMAT
    version: int = VERSION
    site: Annotated[str, StringConstraints(pattern=SITE_NAME)]
    public_key: Digest
    exported_at: Instant
    code_version: Label


class HardwareLine(_Line):
    kind: Literal["hardware"] = "hardware"
    fingerprint_sha256: Digest
    facts: Object


class SeriesLine(_Line):
    """A series. `series` is its number in this file, `hardware` the fingerprint of an earlier line."""

    kind: Literal["series"] = "series"
    series: Count
    run_id: uuid.UUID
    job_id: uuid.UUID
    variant: Label
    pool: Label
    dataset: Annotated[str, StringConstraints(max_length=200)]
    dataset_content: Digest | None = None
    hardware: Digest | None
    code_version: Annotated[str, StringConstraints(max_length=64)]
    parameters: Object
    parameters_sha256: Digest


class RollupLine(_Line):
    """One hour of a series, as in the table `rollups`."""

    kind: Literal["rollup"] = "rollup"
    series: Count
    stage: str
    hour: Instant
    batch_class: int
    warmup: bool
    n: Small
    failures: Small
    sum_ms: Sum
    first_bucket: Annotated[int, Field(ge=_BUCKETS[0], le=_BUCKETS[1])]
    counts: Annotated[list[Small], Field(max_length=_BUCKETS[1] - _BUCKETS[0] + 1)]
    started_at: Instant | None
    ended_at: Instant | None
    instances: Small
    iou_sum: Sum
    energy_j: Sum
    energy_images: Small
    load_sum: Sum = 0.0
    load_images: Small = 0
    peak_memory_bytes: Count | None = None
    memory_images: Small = 0

    @model_validator(mode="after")
    def _check_consistency(self) -> RollupLine:
        """Refuse values that no run measures: they would break the reports' arithmetic or exhaust their memory."""
        if self.stage not in _STAGES or self.batch_class not in _CLASSES:
            raise ValueError("unknown stage or batch class")
        if self.first_bucket + len(self.counts) - 1 > _BUCKETS[1] or sum(self.counts) > self.n:
            raise ValueError("the buckets hold more images than were measured")
        if self.hour.minute or self.hour.second or self.hour.microsecond:
            raise ValueError("not the start of an hour")
        if self.started_at is not None and (self.ended_at is None or self.ended_at < self.started_at):
            raise ValueError("it ends before it starts")
        if self.iou_sum > self.instances * _MOST_MEAN_IOU:
            raise ValueError("the mean IoU with annotations is above 1")
        if (self.peak_memory_bytes is None) != (self.memory_images == 0):
            raise ValueError("a peak memory without images that have one, or the reverse")
        return self


class FigureLine(_Line):
    """A figure from the evaluation of a series' run, as in the table `run_quality`."""

    kind: Literal["figure"] = "figure"
    series: Count
    metric: Annotated[str, StringConstraints(min_length=1, max_length=16)]
    area: Annotated[str, StringConstraints(min_length=1, max_length=16)]
    max_detections: Small
    value: Annotated[float, Field(ge=0, le=1)]
    instances: Small
    replicates: Annotated[list[Share], Field(max_length=_MOST_REPLICATES)] | None = None


class Signature(_Line):
    """Last line: the signature over the SHA-256 of all earlier lines, line ends included."""

    kind: Literal["signature"] = "signature"
    sha256: Digest
    signature: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]


Content = HardwareLine | SeriesLine | RollupLine | FigureLine
CONTENT: TypeAdapter[Content] = TypeAdapter(Annotated[Content, Field(discriminator="kind")])
