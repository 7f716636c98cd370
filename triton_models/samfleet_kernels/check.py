"""Run the kernels in the programs of `checks`, which compare the results of their instruction sets.

By default on this processor, compiled with AddressSanitizer and UBSan. The compiler is the system's: the one in the
`ziglang` wheel has no AddressSanitizer.

With `--emulate` on processors that QEMU emulates, compiled as the library is, and compared with the results of this
processor. Debian's packages for it are `qemu-user` and `g++-aarch64-linux-gnu`.

Exit code 1 for a finding, 2 if an emulator or a compiler is missing.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from samfleet_kernels.emulation import PROCESSORS, CannotEmulate, emulate
from samfleet_kernels.programs import compile_programs

# Checked and unrolled code takes minutes to optimise fully.
SANITIZERS = (
    *("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g"),
    *("-Wall", "-Wextra", "-Werror"),
)


def sanitize(folder: Path) -> int:
    """Run the programs with sanitizers and return how many fail."""
    programs = compile_programs(platform.machine(), folder / "sanitized", SANITIZERS)
    return sum(subprocess.run((str(program),), check=False).returncode != 0 for program in programs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = ", ".join(PROCESSORS)
    parser.add_argument("--emulate", nargs="*", metavar="PROCESSOR", help=f"emulate these, by default {known}")
    options = parser.parse_args()
    unknown = set(options.emulate or ()) - PROCESSORS.keys()
    if unknown:
        parser.error(f"cannot emulate {', '.join(sorted(unknown))}: use some of {known}")
    with TemporaryDirectory(prefix="samfleet-check-") as name:
        if options.emulate is None:
            return min(sanitize(Path(name)), 1)
        try:
            return min(emulate([PROCESSORS[own] for own in options.emulate or PROCESSORS], Path(name)), 1)
        except CannotEmulate as error:
            print(error, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
