"""(g) Compares transformers' SamModel and the plain reference with the engine, in alternating pairs in one process."""

from __future__ import annotations

import importlib.util
import statistics
import time
from typing import Any

import torch

from benchmarks.cases import Case, Contender
from benchmarks.flops import synchronize
from benchmarks.gpu_check.engines import MOBILE_SAM, weights_dir
from benchmarks.gpu_check.options import Options
from benchmarks.gpu_check.recorder import Figures, NotHere, Recorder
from benchmarks.paths import PATHS, Found, MeasuredPath, PathOptions

PAIRS, SMALL_PAIRS = 3, 1
PROMPTS, SMALL_PROMPTS = (64, 1024), (4,)
GRIDS, SMALL_GRIDS = (16, 32), (2,)
MASKS_APART = 0.02  # share of masks: a score near a threshold may change with the last bits
OPPONENTS = ("plain", "transformers")


@torch.inference_mode()
def run(options: Options, recorder: Recorder) -> None:
    paths = PathOptions(MOBILE_SAM, str(weights_dir(options)), options.device, None)
    data = options.photographs(1)[0].read_bytes()
    ours = PATHS["engine"](paths)
    for name in OPPONENTS:
        theirs: MeasuredPath | None = None
        with recorder.item(f"{name}, loading"):
            if name == "transformers" and importlib.util.find_spec("transformers") is None:
                raise NotHere("transformers is not installed here")
            theirs = PATHS[name](paths)
        for case in cases(name, options) if theirs is not None else ():
            with recorder.item(f"{case.name} against {name}") as figures:
                assert theirs is not None  # noqa: S101 - for the type checker: the loop is empty otherwise
                figures.update(paired(ours, theirs, case, data, SMALL_PAIRS if options.small else PAIRS))


def cases(name: str, options: Options) -> list[Case]:
    prompts, grids = (SMALL_PROMPTS, SMALL_GRIDS) if options.small else (PROMPTS, GRIDS)
    every = [Case("encode", 1, ""), *(Case("decode", size, "") for size in prompts)]
    every += [Case("everything", size, "") for size in grids]
    opponent = Contender("transformers" if name == "transformers" else "plain", "default")
    return [case for case in every if opponent.takes(case) or case.kind == "decode"]


def paired(ours: MeasuredPath, theirs: MeasuredPath, case: Case, data: bytes, pairs: int) -> Figures:
    works = [prepared(path, case, data) for path in (ours, theirs)]
    for work in works:
        work()
    seconds: list[tuple[float, float]] = []
    found: list[Any] = []
    for _ in range(pairs):
        (own, mine), (other, yours) = (timed(ours, work) for work in works)
        seconds.append((own, other))
        found = [mine, yours]
    figures: Figures = {
        "seconds": [own for own, _ in seconds],
        "their_seconds": [other for _, other in seconds],
        "times_faster": statistics.median(other / own for own, other in seconds),
    }
    mine, yours = found
    if isinstance(mine, Found) and isinstance(yours, Found):
        figures |= {"masks": mine.masks, "their_masks": yours.masks}
        figures |= {"stages_ms": mine.stages_ms, "their_stages_ms": yours.stages_ms}
        figures["passed"] = abs(mine.masks - yours.masks) <= max(1, MASKS_APART * yours.masks)
    return figures


def prepared(path: MeasuredPath, case: Case, data: bytes) -> Any:
    if case.kind == "encode":
        return path.encode(data)
    if case.kind == "decode":
        return path.decode(data, case.size)
    return lambda: path.everything(data, case.size)


def timed(path: MeasuredPath, work: Any) -> tuple[float, Any]:
    synchronize(path.engine.device)
    begun = time.perf_counter()
    found = work()
    synchronize(path.engine.device)
    return time.perf_counter() - begun, found
