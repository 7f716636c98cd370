"""Run a container in the foreground and remove it at the end.

`python -m samfleet_cli.local_stack.run_container ENGINE NAME STOP_SECONDS -- OPTION... IMAGE` is the process that the
supervisor watches. On SIGTERM it stops the container. A container of the same name that a killed process left is
removed first.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from samfleet_cli.local_stack.processes import MARKER


def main(argv: Sequence[str]) -> int:
    split = argv.index("--")
    engine, name, stop_seconds = argv[:split]
    # Without the mark, the supervisor would take the engine's helper process, which outlives `run`, for a stray.
    environment = {key: value for key, value in os.environ.items() if key != MARKER}

    def order(*words: str) -> None:
        quiet = subprocess.DEVNULL
        subprocess.run((engine, *words), env=environment, stdout=quiet, stderr=quiet, stdin=quiet, check=False)

    order("rm", "--force", name)
    stopping = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True
        order("stop", f"--time={stop_seconds}", name)

    signal.signal(signal.SIGTERM, stop)
    # In a new session: a signal to this process's group must not reach the client before `stop` has.
    run = subprocess.Popen(
        (engine, "run", "--rm", f"--name={name}", *argv[split + 1 :]), env=environment, start_new_session=True
    )
    try:
        code = run.wait()
    finally:
        order("rm", "--force", name)
    return 0 if stopping else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
