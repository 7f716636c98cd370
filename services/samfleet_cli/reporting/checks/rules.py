"""The rules of a check, and how certain a difference must be to fail it.

A slowdown fails only if it exceeds the limit beyond chance. The logarithm of a median is taken as normally distributed;
its spread is that of the bootstrap interval of 95 %. The bound of the ratio is corrected for the number of pairs
(Bonferroni), so that equal software fails a check by chance in at most 2.5 % of all checks, however many variants they
have. Quality has no such noise: the same masks on the same images have the same mIoU. So its limits hold as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

from samfleet_cli.reporting.checks.baseline import Key, Measurement

ERROR_RATE = 0.025  # of all slowdowns of a check together
Z_95 = NormalDist().inv_cdf(0.975)  # half the width of a 95 % interval, in standard deviations


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    CANNOT_TELL = "cannot tell"  # worse than the limit, but perhaps by chance
    MISSING = "missing"  # in the baseline, but not measured now


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a check; None is not checked. `slowdown` is a share, such as 0.05."""

    slowdown: float | None = None
    miou: float | None = None
    miou_drop: float | None = None
    require_all: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one rule for one measurement. `now` and `before` are its figures."""

    rule: str
    name: str
    outcome: Outcome
    message: str
    now: float | None = None
    before: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None


def check_measurements(now: Sequence[Measurement], before: Sequence[Measurement], limits: Limits) -> list[Check]:
    """Check measurements against the limits, and against those of the baseline with the same work."""
    earlier = {one.key: one for one in before}
    pairs = [(one, earlier[one.key]) for one in now if one.key in earlier]
    found = [*_floors(now, limits), *_drops(pairs, limits), *_slowdowns(pairs, limits)]
    return [*found, *_missing(earlier, {one.key for one in now}, limits)]


def _floors(now: Sequence[Measurement], limits: Limits) -> Iterator[Check]:
    for one in now:
        if limits.miou is not None and one.miou is not None:
            failed = one.miou < limits.miou
            message = f"mIoU {one.miou:.4f} is {'below' if failed else 'at least'} {limits.miou:g}"
            yield Check("min-miou", one.words, _outcome(failed), message, now=one.miou)


def _drops(pairs: Sequence[tuple[Measurement, Measurement]], limits: Limits) -> Iterator[Check]:
    for one, earlier in pairs:
        if limits.miou_drop is None or one.miou is None or earlier.miou is None:
            continue
        failed = earlier.miou - one.miou > limits.miou_drop
        message = f"mIoU {earlier.miou:.4f} before, {one.miou:.4f} now; at most {limits.miou_drop:g} less is allowed"
        yield Check("max-miou-drop", one.words, _outcome(failed), message, one.miou, earlier.miou)


def _slowdowns(pairs: Sequence[tuple[Measurement, Measurement]], limits: Limits) -> Iterator[Check]:
    timed = [(one, earlier, one.p50_ms / earlier.p50_ms) for one, earlier in pairs if one.p50_ms and earlier.p50_ms]
    if limits.slowdown is None or not timed:
        return
    z = NormalDist().inv_cdf(1 - ERROR_RATE / len(timed))
    for one, earlier, ratio in timed:
        low = _lower_bound(ratio, _spread(one), _spread(earlier), z)
        outcome, why = _verdict(ratio, low, limits.slowdown)
        change = f"{abs(ratio - 1):.1%} {'slower' if ratio > 1 else 'faster'}"
        times = f"median {earlier.p50_ms:.4g} ms before (n {earlier.n}), {one.p50_ms:.4g} ms now (n {one.n})"
        message = f"{change}: {times}; {why}"
        yield Check("max-slowdown", one.words, outcome, message, one.p50_ms, earlier.p50_ms, ratio, low)


def _verdict(ratio: float, low: float | None, limit: float) -> tuple[Outcome, str]:
    if ratio <= 1 + limit:
        return Outcome.PASSED, f"{limit:.1%} slower is allowed"
    if low is None:
        return Outcome.CANNOT_TELL, "one side has too few images for an interval"
    if low > 1 + limit:
        return Outcome.FAILED, f"at least {low - 1:.1%} slower, beyond chance"
    return Outcome.CANNOT_TELL, f"by chance it may be {_change(low)}; measure more images"


def _lower_bound(ratio: float, spread: float | None, earlier: float | None, z: float) -> float | None:
    if spread is None or earlier is None:
        return None
    return ratio * math.exp(-z * math.hypot(spread, earlier))


def _change(ratio: float) -> str:
    return f"only {ratio - 1:.1%} slower" if ratio > 1 else f"{1 - ratio:.1%} faster"


def _spread(one: Measurement) -> float | None:
    """Return the standard deviation of the median's logarithm; None without an interval."""
    if not one.low_ms or not one.high_ms:
        return None
    return math.log(one.high_ms / one.low_ms) / (2 * Z_95)


def _missing(earlier: Mapping[Key, Measurement], now: set[Key], limits: Limits) -> Iterator[Check]:
    for key, one in earlier.items():
        if key not in now:
            outcome = Outcome.FAILED if limits.require_all else Outcome.MISSING
            yield Check("measured", one.words, outcome, "it is in the baseline, but was not measured now")


def _outcome(failed: bool) -> Outcome:
    return Outcome.FAILED if failed else Outcome.PASSED
