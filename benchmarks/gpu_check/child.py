"""One step in a separate process: `python -m benchmarks.gpu_check.child STEP OPTIONS`, the options as JSON.

So a hanging step can be killed, a crash affects only its step, and each step begins with an empty GPU.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.gpu_check.machine import environment, ready_device
from benchmarks.gpu_check.options import Options
from benchmarks.gpu_check.recorder import Recorder
from benchmarks.gpu_check.steps import BY_NAME


def main(words: list[str]) -> int:
    name, text, path = words
    options = Options.from_json(text)
    device = ready_device(options)
    recorder = Recorder(Path(path), name, environment(options, device))
    fault: Exception | None = None
    try:
        BY_NAME[name].run(options, recorder)
    except Exception as error:  # noqa: BLE001 - the error is recorded in the step's file, and the next step runs
        fault = error
    return 0 if recorder.finish(fault) in {"passed", "not_here"} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
