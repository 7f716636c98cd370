"""Typed results of a benchmark run, as in its JSON file."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from benchmarks.cases import Case, Contender, Sample
from benchmarks.environment import Environment
from benchmarks.mask_comparison import MaskComparison


@dataclass(frozen=True, slots=True)
class Ratio:
    """The opponent's time over the engine's, per pair: how many times faster the engine is."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, theirs: Sequence[float], ours: Sequence[float]) -> Self:
        ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
        return cls(statistics.median(ratios), min(ratios), max(ratios))


@dataclass(frozen=True, slots=True)
class Side:
    """One contender's runs of a case.

    `gflop` is the work of one run; None if it was not counted. `stage_gflop` is that of each stage, if counted.
    """

    contender: Contender
    samples: tuple[Sample, ...]
    gflop: float | None = None
    stage_gflop: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> list[float]:
        return [sample.seconds for sample in self.samples]

    @property
    def median_seconds(self) -> float:
        return statistics.median(self.seconds)

    @property
    def gflop_per_second(self) -> float | None:
        return None if self.gflop is None else self.gflop / self.median_seconds

    def stage_ms(self, stage: str) -> list[float]:
        return [sample.stages_ms.get(stage, 0.0) for sample in self.samples]

    def stage_gflop_per_second(self, stage: str) -> float | None:
        """Return the speed of a stage over all runs; None if it has no counted work or took no time."""
        gflop, milliseconds = self.stage_gflop.get(stage), statistics.fmean(self.stage_ms(stage))
        return gflop / milliseconds * 1e3 if gflop and milliseconds else None

    @property
    def stages(self) -> list[str]:
        return list(self.samples[0].stages_ms)


@dataclass(frozen=True, slots=True)
class Pairing:
    """A case run in alternating pairs, the engine first.

    `stages` has the ratio of each stage that both sides report. `masks` compares those of the last pair; None for kinds
    without masks.
    """

    case: Case
    ours: Side
    theirs: Side
    ratio: Ratio
    stages: dict[str, Ratio]
    masks: MaskComparison | None = None

    @classmethod
    def of(cls, case: Case, ours: Side, theirs: Side, masks: MaskComparison | None = None) -> Self:
        shared = [stage for stage in ours.stages if stage in theirs.stages]
        stages = {stage: Ratio.of(theirs.stage_ms(stage), ours.stage_ms(stage)) for stage in shared}
        return cls(case, ours, theirs, Ratio.of(theirs.seconds, ours.seconds), stages, masks)


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """The peak memory of a fresh process of the engine up to the end of one image."""

    image: str
    points_per_side: int
    peak_bytes: int
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class Soak:
    """Resident memory in a run of many images; `growth` is relative to the early reading."""

    images: int
    points_per_side: int
    early_image: int
    early_bytes: int
    late_bytes: int
    seconds: float

    @property
    def growth(self) -> float:
        return self.late_bytes / self.early_bytes - 1


@dataclass(frozen=True, slots=True)
class StreamResult:
    execution: str
    points_per_side: int
    images: int
    images_per_second: float
    peak_bytes: int
    idle_share: float | None


@dataclass(slots=True)
class Result:
    """The results of a run. `matrix_peak_gflops` is the peak of plain matrix products in this run, per precision.

    `gates` are those of the executions other than fp32, measured in this run, in the format of their files.
    `other_versions` has the packages of the implementations that run in another Python.
    """

    variant: str
    device: str
    environment: Environment
    matrix_peak_gflops: dict[str, float]
    pairings: list[Pairing] = field(default_factory=list)
    memory: list[PeakMemory] = field(default_factory=list)
    streams: list[StreamResult] = field(default_factory=list)
    soak: Soak | None = None
    gates: list[dict[str, Any]] = field(default_factory=list)
    other_versions: dict[str, dict[str, str]] = field(default_factory=dict)
    benchmark: str = "engine"
