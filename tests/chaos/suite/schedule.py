"""Schedule of a scenario's strikes. It follows from the seed alone, and its moments are numbers of recorded images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

LAST_MOMENT = 0.95  # share of all images of all runs


@dataclass(frozen=True, slots=True)
class Blow:
    """Strikes of one kind: `count` of them over all `targets`, as evenly as possible."""

    kind: str
    targets: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Strike:
    """One strike, due when the runs of the job have recorded `at` images together."""

    at: int
    kind: str
    target: str


def make_schedule(seed: int, scenario: str, blows: Sequence[Blow], images: int) -> tuple[Strike, ...]:
    """Return the strikes in the order of their moments; `images` is the number of images of all runs together."""
    random = Random(f"{scenario} {seed}")
    last = max(1, int(images * LAST_MOMENT))
    strikes = [
        Strike(random.randint(1, last), blow.kind, target)
        for blow in blows
        for target in _spread(random, blow.targets, blow.count)
    ]
    return tuple(sorted(strikes, key=lambda strike: strike.at))


def _spread(random: Random, targets: Sequence[str], count: int) -> list[str]:
    """Return `count` targets in a random order; the numbers of any two targets differ by at most 1."""
    rounds, rest = divmod(count, len(targets))
    chosen = [*targets] * rounds + random.sample(targets, rest)
    random.shuffle(chosen)
    return chosen
