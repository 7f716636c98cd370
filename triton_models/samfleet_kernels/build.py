"""Compile the kernels with the system's C++ compiler, else with the one of the `ziglang` wheel.

Without both it prints one sentence and succeeds: the engine then uses torch's operators.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from samfleet_kernels.sources import MACHINES, SOURCES, library_path

ZIG = "ziglang==0.17.1"
COMPILERS = ("c++", "g++", "clang++")
# Sums keep their order, so that results do not depend on the compiler more than rounding does; products and sums fuse.
FLAGS = (
    *("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"),
    *("-fno-exceptions", "-fno-rtti", "-fPIC", "-Wall", "-Wextra", "-Werror"),
)
NOT_COMPILED = "CPU kernels not compiled, no C++ compiler works here: decoding uses torch's operators, which are slower"
_LAST_LINES = 5


class CompilationFailed(Exception):
    """A compiler ran and failed; the message has the end of its output."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C++ compiler; `linker` makes a shared library without a C++ runtime, which the kernels do not use."""

    name: str
    command: tuple[str, ...]
    linker: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


def compilers(folder: Path, machine: str) -> Iterator[Compiler]:
    """Yield compilers, best first. The last one is downloaded into `folder` only when it is reached."""
    own = os.environ.get("CXX")
    for name in (own,) if own else COMPILERS:
        path = shutil.which(name)
        if path:
            yield Compiler(name, (path,), (path,))
            break
    target = ("-target", f"{machine.replace('arm64', 'aarch64')}-linux-gnu")
    zig = (sys.executable, "-m", "ziglang")
    command, linker = (*zig, "c++", *target), (*zig, "cc", *target)  # linking by c++ compiles the whole of libc++ first
    if find_spec("ziglang"):
        yield Compiler("zig of the installed ziglang", command, linker)
    elif _download(folder):
        yield Compiler(f"zig of {ZIG} from PyPI", command, linker, (("PYTHONPATH", str(folder)),))


def _download(folder: Path) -> bool:
    pip = (sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--retries", "0")
    command = (*pip, "--timeout", "15", "--no-deps", "--target", str(folder), ZIG)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def compile_library(compiler: Compiler, machine: str, out: Path) -> None:
    """Write the shared library for `machine` to `out`. Raise `CompilationFailed` with the compiler's last lines."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="samfleet-kernels-") as name:
        made = Path(name) / "kernels.so"
        objects = compile_objects(compiler, machine, Path(name))
        _run((*compiler.linker, "-shared", *objects, "-o", str(made), "-lm"), compiler.environment)
        part = out.with_suffix(".part")
        shutil.copyfile(made, part)
        part.replace(out)


def compile_objects(compiler: Compiler, machine: str, folder: Path, extra: Sequence[str] = ()) -> list[str]:
    """Compile the sources once per instruction set of `machine`, with `extra` flags, and return the object files."""
    units = [
        ("sweeps.cpp", (*flags, f"-DINSTRUCTIONS={instructions}"), folder / f"{instructions}.o")
        for instructions, flags in MACHINES[machine].items()
    ]
    units.append(("dispatch.cpp", (), folder / "dispatch.o"))

    def compile_one(unit: tuple[str, tuple[str, ...], Path]) -> str:
        source, flags, target = unit
        run_compiler(compiler, (*FLAGS, *extra, *flags, "-c", str(SOURCES / source), "-o", str(target)))
        return str(target)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_one, units))


def run_compiler(compiler: Compiler, arguments: Sequence[str]) -> None:
    _run((*compiler.command, *arguments), compiler.environment)


def _run(command: Sequence[str], extra_environment: Sequence[tuple[str, str]]) -> None:
    environment = {**os.environ, **dict(extra_environment)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise CompilationFailed("\n".join(lines[-_LAST_LINES:]))


def build(out: Path, machine: str, *, zig: bool = False) -> str | None:
    """Compile with the first compiler that works and return its name; None if none does.

    A compiler that fails is reported to standard error, and the next one is tried. `zig` skips the system's.
    """
    with TemporaryDirectory(prefix="samfleet-zig-") as name:
        for compiler in compilers(Path(name), machine):
            if zig and not compiler.name.startswith("zig"):
                continue
            try:
                compile_library(compiler, machine, out)
            except CompilationFailed as failure:
                print(f"{compiler.name} cannot compile the CPU kernels:\n{failure}", file=sys.stderr)
            else:
                return compiler.name
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machine", default=platform.machine(), help="x86_64 or aarch64; default: this machine's")
    parser.add_argument("--zig", action="store_true", help="use the compiler of the ziglang wheel")
    parser.add_argument("--out", type=Path, default=library_path(), help="where to write the library")
    options = parser.parse_args()
    if options.machine in MACHINES:
        used = build(options.out, options.machine, zig=options.zig)
        found = f"CPU kernels compiled with {used}" if used else None
    else:
        found = f"there are no CPU kernels for {options.machine}: decoding uses torch's operators"
    print(found or NOT_COMPILED)


if __name__ == "__main__":
    main()
