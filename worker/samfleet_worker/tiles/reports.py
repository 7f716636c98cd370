"""The report on an image from those on its tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from samfleet.wire.messages import ImageReport, StageTime


def sum_reports(reports: Sequence[ImageReport], size: tuple[int, int]) -> ImageReport:
    """Return one report for an image of `size` (width, height), at least one tile of which has a report.

    Times, energy and prompts are sums, although tiles may be segmented at the same time; memory and the load of others
    are maxima. Energy is None if it is unknown for one tile.
    """
    last = reports[-1]
    return replace(
        last,
        width=size[0],
        height=size[1],
        stages=_stages(reports),
        batch_size=max(report.batch_size for report in reports),
        warmup=any(report.warmup for report in reports),
        execute_ms=sum(report.execute_ms for report in reports),
        peak_memory_bytes=max(report.peak_memory_bytes for report in reports),
        peak_reserved_bytes=max((report.peak_reserved_bytes or 0 for report in reports), default=0) or None,
        energy_j=_sum_of_known([report.energy_j for report in reports]),
        other_load=max((report.other_load for report in reports if report.other_load is not None), default=None),
        prompts_decoded=sum(report.prompts_decoded for report in reports),
        unscored_prompts=sum(report.unscored_prompts for report in reports),
    )


def _stages(reports: Sequence[ImageReport]) -> dict[str, StageTime]:
    times = [report.stages for report in reports]
    names = dict.fromkeys(name for stages in times for name in stages)
    return {
        name: StageTime(
            sum(stages[name].amortised_ms for stages in times if name in stages),
            sum(stages[name].batch_ms for stages in times if name in stages),
        )
        for name in names
    }


def _sum_of_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
