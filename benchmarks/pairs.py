"""Alternating pairs: A B A B, so that temporary load on the machine slows both sides of a pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.cases import WITH_MASKS, Case, Contender
from benchmarks.children import ChildOptions, ChildProcess
from benchmarks.mask_comparison import compare_masks
from benchmarks.results import Pairing, Side


def compare(
    ours: Contender, theirs: Contender, cases: Sequence[tuple[Case, int]], options: ChildOptions
) -> Iterator[Pairing]:
    """Run each case in its number of pairs, against one opponent; both processes run all cases."""
    with ChildProcess(ours, options) as a, ChildProcess(theirs, options) as b:
        for case, pairs in cases:
            yield pair(case, pairs, a, b)


def pair(case: Case, pairs: int, a: ChildProcess, b: ChildProcess) -> Pairing:
    counts = [child.count(case) / 1e9 if case.kind == "decode" else None for child in (a, b)]
    for child in (a, b):
        child.warm(case)
    samples = [(a.measure(case), b.measure(case)) for _ in range(pairs)]
    masks = compare_masks(a.masks(), b.masks()) if case.kind in WITH_MASKS else None
    ours, theirs = zip(*samples, strict=True)
    return Pairing.of(case, Side(a.contender, ours, counts[0]), Side(b.contender, theirs, counts[1]), masks)
