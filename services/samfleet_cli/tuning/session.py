"""A sweep from its options to its answer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samfleet.config import Settings
from samfleet.errors import InvalidInput, SamfleetError
from samfleet.variants.catalogue import get_variant
from samfleet_cli.connection import ApiChoice
from samfleet_cli.jobs.output_folder import require_out
from samfleet_cli.local_stack.gates import gates_folder, gates_here, require_gates
from samfleet_cli.local_stack.settings import StackSettings
from samfleet_cli.tuning.figures import Constraints, Preference, number_words
from samfleet_cli.tuning.images import find_images
from samfleet_cli.tuning.points import DEFAULT_IN_FLIGHT, REFERENCE, SHARDS, Point, doubling, points_of
from samfleet_cli.tuning.search import Result, Results, Search
from samfleet_cli.tuning.stack_bench import StackBench, TuneNeedsOwnStack, require_no_stack, variables
from samfleet_cli.tuning.state import TuneState

LEVELS = (1, 2, SHARDS, 2 * SHARDS, DEFAULT_IN_FLIGHT)
SHARDS_OF_A_ROUND = 2 * SHARDS  # so that all places are taken for most of the round
MOST_IN_A_SHARD = 384  # the default of the setting


class TuneBaselineFailed(SamfleetError):
    """The baseline could not be measured: fp32 with the default settings; the message has the reason."""

    code = "tune_baseline_failed"


class TuneTimeTooShort(InvalidInput):
    """The budget was over before the baseline was measured; give more minutes or fewer images."""

    code = "tune_time_too_short"


@dataclass(frozen=True, slots=True)
class Sweep:
    """Values to try. An empty one is chosen by the machine: gated executions, powers of two up to the cores, batches of
    powers of two up to the variant's limit, and `LEVELS` in flight.
    """

    executions: Sequence[str] = ()
    threads: Sequence[int] = ()
    batch_sizes: Sequence[int] = ()
    in_flight: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """A sweep as the command line asks for it. `out` receives the state; `images` None: photographs of scikit-image."""

    variant: str
    task: Mapping[str, Any]
    out: Path
    images: Path | None = None
    annotations: Path | None = None
    sweep: Sweep = field(default_factory=Sweep)
    constraints: Constraints = field(default_factory=Constraints)
    prefer: Preference = "throughput"
    budget_minutes: float = 30.0
    images_per_round: int = 32
    rounds: int = 2


@dataclass(frozen=True, slots=True)
class Tuned:
    """Results of a sweep. `sweep` is the label of its jobs, which `jobs` has by the points' keys; `hardware` is the
    device's name. `interrupted`: by Ctrl-C.
    """

    wish: Wish
    sweep: str
    hardware: str
    baseline: Point
    results: Results
    jobs: Mapping[str, Sequence[str]]
    interrupted: bool = False


def tune(choice: ApiChoice, wish: Wish, say: Callable[[str], None]) -> Tuned:
    """Carry out what is left of a sweep. A new result is saved at once, so an interrupted sweep goes on.

    Ctrl-C ends it with what was measured; before that there is nothing, and it raises.
    """
    executions = _executions(wish)
    points_to_try(wish, executions, "cpu")  # refuses wrong values before anything is measured
    require_no_external_triton()
    require_no_stack(choice.state_dir)
    require_out(wish.out, (), force=True)
    found = find_images(wish.out, wish.images, wish.annotations, wish.images_per_round)
    state = TuneState.load(wish.out, _subject(wish, found.digest))
    images = found.place(wish.out)
    ends_at = time.monotonic() + 60 * wish.budget_minutes

    def seconds_left() -> float:
        return ends_at - time.monotonic()

    size = max(1, min(MOST_IN_A_SHARD, wish.images_per_round // SHARDS_OF_A_ROUND))
    own = (state, wish.out, seconds_left, wish.rounds, size, say)
    bench = StackBench(choice, wish.variant, wish.task, images, *own)
    results = state.results()

    def note(result: Result) -> None:
        state.keep(results)
        state.save(wish.out)
        if result.status != "skipped":  # most points are
            say(_words(result))

    search = Search(bench, wish.constraints, results, note, lambda: seconds_left() <= 0)
    baseline, interrupted = baseline_of(wish.variant), False
    search.run([baseline])
    _require_baseline(results[baseline])
    try:
        search.run(points_to_try(wish, executions, state.device_kind or "cpu"))
    except KeyboardInterrupt:
        interrupted = True
    return Tuned(wish, state.id, state.hardware or "", baseline, results, state.jobs, interrupted)


def baseline_of(variant: str) -> Point:
    """Return the point that the default settings make: fp32, with whose masks all others are compared."""
    return Point(REFERENCE, None, get_variant(variant).max_batch_size, DEFAULT_IN_FLIGHT)


def points_to_try(wish: Wish, executions: Sequence[str], device_kind: str) -> list[Point]:
    """Return the points of the sweep in the order of their measurement. Threads matter only on a CPU."""
    most = get_variant(wish.variant).max_batch_size
    threads: Sequence[int | None] = (None,)
    if device_kind == "cpu":
        threads = wish.sweep.threads or (None, *(one for one in doubling(_cores()) if one < _cores()))
    sizes = sorted({min(size, most) for size in wish.sweep.batch_sizes or doubling(most)})
    return points_of(executions, threads, sizes, wish.sweep.in_flight or LEVELS)


def require_no_external_triton() -> None:
    """Raise `TuneNeedsOwnStack` if the settings name Triton servers that other programs have started."""
    if "pools" in Settings().model_fields_set:
        raise TuneNeedsOwnStack(
            "SAMFLEET_POOLS names Triton servers, whose settings tune cannot change; unset it to tune the embedded one"
        )


def _subject(wish: Wish, images: str) -> dict[str, Any]:
    """Return what all points of a sweep have in common; a folder has the results of one subject."""
    counts = {"images per round": wish.images_per_round, "rounds": wish.rounds}
    return {"variant": wish.variant, "task": dict(wish.task), "images": images, **counts}


def _executions(wish: Wish) -> list[str]:
    """Return the executions to try: those given, or fp32 and those whose gate has passed on this machine."""
    given, settings, stack = wish.sweep.executions, Settings(), StackSettings()
    if not given:
        gates = gates_here(gates_folder(stack), get_variant(wish.variant))
        passed = [gate.subject.execution for gate, state in gates if state == "passed"]
        return list(dict.fromkeys((REFERENCE, *passed)))
    for execution in given:
        with variables({"SAMFLEET_EXECUTION": f"{wish.variant}={execution}", "SAMFLEET_VARIANTS": wish.variant}):
            require_gates(settings, StackSettings(), (wish.variant,))
    return list(dict.fromkeys(given))


def _require_baseline(result: Result) -> None:
    if result.status == "left":
        raise TuneTimeTooShort
    if result.status != "measured":
        raise TuneBaselineFailed(f"the baseline ({result.point.words}) could not be measured: {result.reason}")


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _words(result: Result) -> str:
    figures = result.figures
    shown = (
        f"{figures.images_per_second:.4g} images/s, p95 {number_words(figures.p95_ms)} ms, "
        f"{figures.memory_bytes / 2**20:.0f} MiB, agreement {figures.agreement:.4f}"
        if figures
        else ""
    )
    why = f": {result.reason}" if result.reason else ""
    return f"{result.point.words}: {result.status}{why}" + (f" ({shown})" if shown else "")
