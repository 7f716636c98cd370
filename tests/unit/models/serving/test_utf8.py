from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import locale, sys
sys.path[:0] = sys.argv[1].split(":")
from samfleet_models.serving.utf8 import use_utf8
before = locale.getencoding()
print(before, use_utf8(), open("/proc/self/status").encoding)
"""


def test_files_are_utf8_in_a_process_started_in_the_c_locale() -> None:
    """The process is isolated like Triton's stub, so no variable changes the encoding."""
    command = (sys.executable, "-I", "-X", "utf8=0", "-c", PROGRAM, ":".join(sys.path))
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ANSI_X3.4-1968", "UTF-8", "UTF-8"]
