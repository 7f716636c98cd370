"""Estimated figures, each with its spread and how it is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Known = Literal["measured", "documented", "unknown"]
SPREAD = (0.1, 0.5, 0.9)  # shares of the images: below `low`, below `value`, below `high`


@dataclass(frozen=True, slots=True)
class Figure:
    """An estimated quantity.

    `low` and `high` are None where no spread is known. `runs` and `images` count the earlier runs behind a measured
    figure and their images. `source` says in words how the figure is known, or why it is not.
    """

    value: float | None
    known: Known
    source: str
    low: float | None = None
    high: float | None = None
    runs: int = 0
    images: int = 0

    def times(self, factor: float) -> Figure:
        value, low, high = (None if one is None else one * factor for one in (self.value, self.low, self.high))
        return Figure(value, self.known, self.source, low, high, self.runs, self.images)


@dataclass(frozen=True, slots=True)
class Sample:
    """A figure of an earlier run for each image, and the run's number of images, which is its weight."""

    per_image: float
    images: int


def unknown(reason: str) -> Figure:
    return Figure(None, "unknown", reason)


def figure_of(samples: Sequence[Sample], source: str) -> Figure:
    """Return the median and the 10th and 90th percentile of the samples, weighted by images.

    So a run of three images that waited for its model to load does not move them. A single run has no spread. Raises
    ValueError without samples.
    """
    if not samples:
        raise ValueError("a figure needs at least one sample")
    low, value, high = (weighted_quantile(samples, share) for share in SPREAD)
    images = sum(sample.images for sample in samples)
    if len(samples) == 1:
        return Figure(value, "measured", source, runs=1, images=images)
    return Figure(value, "measured", source, low, high, len(samples), images)


def weighted_quantile(samples: Iterable[Sample], share: float) -> float:
    """Return the smallest figure that at least this share of the images has, or less."""
    ordered = sorted(samples, key=lambda sample: sample.per_image)
    wanted = share * sum(sample.images for sample in ordered)
    reached = 0
    for sample in ordered:
        reached += sample.images
        if reached >= wanted:
            break
    return sample.per_image


def sum_of(figures: Sequence[Figure], what: str) -> Figure:
    """Add figures. The sum is unknown if one of them is, and has no spread if one has none."""
    if missing := [figure.source for figure in figures if figure.value is None]:
        same = len(missing) == len(figures) and len(set(missing)) == 1
        return unknown(missing[0] if same else f"{what} of {len(missing)} of {len(figures)} runs is not known yet")
    known: Known = "documented" if any(figure.known == "documented" for figure in figures) else "measured"
    return Figure(
        sum(figure.value or 0.0 for figure in figures),
        known,
        "sum of the runs",
        _sum_or_none([figure.low for figure in figures]),
        _sum_or_none([figure.high for figure in figures]),
        sum(figure.runs for figure in figures),
        sum(figure.images for figure in figures),
    )


def _sum_or_none(bounds: Sequence[float | None]) -> float | None:
    return None if None in bounds else sum(bound or 0.0 for bound in bounds)
