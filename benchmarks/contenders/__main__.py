"""One measured process of a contender: `PYTHON -m benchmarks.contenders '{"path": "official", ...}'`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.contenders.interface import Contender, Options
from benchmarks.contenders.server import Server, serve


def official(options: Options) -> Contender:
    from benchmarks.contenders.official import Official

    return Official(options)


def ultralytics(options: Options) -> Contender:
    from benchmarks.contenders.ultralytics_sam import Ultralytics

    return Ultralytics(options)


def pipeline(options: Options) -> Contender:
    from benchmarks.contenders.mask_pipeline import MaskPipeline

    return MaskPipeline(options)


CONTENDERS: dict[str, Callable[[Options], Contender]] = {
    "official": official,
    "pipeline": pipeline,
    "ultralytics": ultralytics,
}


def main() -> None:
    given: dict[str, Any] = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # packages' output must not mix with the answers
    path, threads = given.pop("path"), given.pop("threads")
    try:
        contender = CONTENDERS[path](Options(**given))
    except ModuleNotFoundError as error:
        sys.exit(f"{sys.executable} has no module {error.name}, which {path} needs: install it there")
    if threads is not None:
        torch.set_num_threads(threads)  # last, as a package may set them too
    serve(Server(contender).answer, sys.stdin, answers)


if __name__ == "__main__":
    main()
