"""Alternating pairs: A B A B, so that temporary load on the machine slows both sides of a pair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from benchmarks.cases import COUNTED, OTHER_PYTHON, WITH_MASKS, Case, Contender
from benchmarks.children import ChildOptions, ChildProcess
from benchmarks.mask_comparison import compare_masks
from benchmarks.results import Pairing, Side

Work = Mapping[Case, Mapping[str, float]]  # GFLOP of each stage of a case


def count_work(ours: Contender, cases: Iterable[Case], options: ChildOptions) -> Work:
    """Run every case with masks once, in a process with one thread, and return its GFLOP.

    Empty on other devices than the CPU and for compiled encoders, whose operators torch does not count.
    """
    if options.device != "cpu" or "compile" in ours.execution:
        return {}
    with ChildProcess(ours, replace(options, threads=1)) as child:
        return {
            case: {stage: count / 1e9 for stage, count in child.count_stages(case).items()}
            for case in cases
            if case.kind in WITH_MASKS
        }


def compare(
    ours: Contender, theirs: Contender, cases: Sequence[tuple[Case, int]], options: ChildOptions, work: Work
) -> Iterator[Pairing]:
    """Run each case in its number of pairs, against one opponent; both processes run all cases.

    `work` is that of `ours`.
    """
    with ChildProcess(ours, options) as a, ChildProcess(theirs, options) as b:
        for case, pairs in cases:
            yield pair(case, pairs, a, b, work.get(case, {}))


def pair(case: Case, pairs: int, a: ChildProcess, b: ChildProcess, work: Mapping[str, float]) -> Pairing:
    counts = [
        child.count(case) / 1e9 if case.kind in COUNTED and child.contender.path not in OTHER_PYTHON else None
        for child in (a, b)
    ]
    for child in (a, b):
        child.warm(case)
    samples = [(a.measure(case), b.measure(case)) for _ in range(pairs)]
    masks = compare_masks(a.masks(), b.masks()) if case.kind in WITH_MASKS else None
    ours, theirs = zip(*samples, strict=True)
    sides = Side(a.contender, ours, counts[0], dict(work)), Side(b.contender, theirs, counts[1])
    return Pairing.of(case, *sides, masks)
