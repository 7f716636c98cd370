"""Compile the kernels with AddressSanitizer and UBSan, and run them in the programs of `checks`, which compare them.

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

PROGRAMS = sorted((Path(__file__).parent / "checks").glob("*.cpp"))
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
        failures = 0
        for source in PROGRAMS:
            program, include = folder / source.stem, ("-I", str(SOURCES))
            compiler.compile((*FLAGS, *SANITIZERS, *include, str(source), *objects, "-o", str(program)))
            failures += subprocess.run((str(program),), check=False).returncode != 0
        return failures


if __name__ == "__main__":
    sys.exit(main())
