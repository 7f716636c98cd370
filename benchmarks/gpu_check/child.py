"""One step in a process of its own: `python -m benchmarks.gpu_check.child STEP OPTIONS`, the options as JSON.

So a step that hangs can be ended, one that crashes takes nothing with it, and each begins with an empty GPU.
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
    except Exception as error:  # noqa: BLE001 - what ends a step is in its file, and the next step goes on
        fault = error
    return 0 if recorder.finish(fault) in {"passed", "not_here"} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
