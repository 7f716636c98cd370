"""The C++ compilers that may compile the kernels: the system's, else the one of the `ziglang` wheel."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ZIG = "ziglang==0.17.1"
NAMES = ("c++", "g++", "clang++")
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

    def compile(self, arguments: Sequence[str]) -> None:
        """Run the compiler. Raise `CompilationFailed` with its last lines."""
        self._run((*self.command, *arguments))

    def link(self, arguments: Sequence[str]) -> None:
        self._run((*self.linker, *arguments))

    def _run(self, command: Sequence[str]) -> None:
        environment = {**os.environ, **dict(self.environment)}
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        except OSError as error:  # such as a file that is not a program of this processor
            raise CompilationFailed(str(error)) from error
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise CompilationFailed("\n".join(lines[-_LAST_LINES:]))


def compilers(folder: Path, machine: str) -> Iterator[Compiler]:
    """Yield compilers for `machine`, best first. The last one is downloaded into `folder` only when it is reached."""
    system = system_compiler(machine)
    if system:
        yield Compiler(Path(system).name, (system,), (system,))
    target = ("-target", _platform(machine))
    zig = (sys.executable, "-m", "ziglang")
    command, linker = (*zig, "c++", *target), (*zig, "cc", *target)  # linking by c++ compiles the whole of libc++ first
    caches = tuple((name, str(folder / "cache")) for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"))
    if find_spec("ziglang"):
        yield Compiler("zig of the installed ziglang", command, linker, caches)
    elif _download(folder):
        yield Compiler(f"zig of {ZIG} from PyPI", command, linker, (*caches, ("PYTHONPATH", str(folder))))


def system_compiler(machine: str) -> str | None:
    """Return the path of `$CXX`, else of the first compiler in PATH; None if there is none.

    For another machine than this one it is GCC's cross compiler: `$CXX` and `c++` would compile for this one.
    """
    if machine != platform.machine():
        return shutil.which(f"{_platform(machine)}-g++")
    own = os.environ.get("CXX")
    return next((path for name in ((own,) if own else NAMES) if (path := shutil.which(name))), None)


def _platform(machine: str) -> str:
    return f"{machine.replace('arm64', 'aarch64')}-linux-gnu"


def compiler_identity(machine: str) -> str:
    """Return path and version of `system_compiler`, which change when another one is installed; or "none"."""
    path = system_compiler(machine)
    if path is None:
        return "none"
    try:
        done = subprocess.run((path, "--version"), capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{path}: {error}"
    return f"{path}: {done.stdout.partition(chr(10))[0]}"


def _download(folder: Path) -> bool:
    pip = (sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--retries", "0")
    command = (*pip, "--timeout", "15", "--no-deps", "--target", str(folder), ZIG)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
