"""Compile the kernels with AddressSanitizer and UBSan, and run them in `checks/kernels.cpp`, which compares them.

The compiler is the system's: the one in the `ziglang` wheel has no AddressSanitizer. Exit code 1 for a finding.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from samfleet_kernels.build import compile_objects
from samfleet_kernels.compilers import compilers
from samfleet_kernels.sources import FLAGS, SOURCES

PROGRAM = Path(__file__).parent / "checks" / "kernels.cpp"
# Checked and unrolled code takes minutes to optimise fully.
SANITIZERS = (
    *("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g"),
    *("-Wall", "-Wextra", "-Werror"),
)


def main() -> int:
    with TemporaryDirectory(prefix="samfleet-check-") as name:
        folder, machine = Path(name), platform.machine()
        compiler = next(compilers(folder, machine))
        objects = compile_objects(compiler, machine, folder, SANITIZERS)
        program = folder / "check"
        include = ("-I", str(SOURCES))
        compiler.compile((*FLAGS, *SANITIZERS, *include, str(PROGRAM), *objects, "-o", str(program)))
        return subprocess.run((str(program),), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
