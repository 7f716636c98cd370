"""Compile the kernels with the system's C++ compiler, else with the one of the `ziglang` wheel.

Without both, or in a folder that cannot be written, it prints one sentence and succeeds: the engine then uses torch's
operators.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

from samfleet_kernels.compilers import CompilationFailed, Compiler, compiler_identity, compilers
from samfleet_kernels.sources import FLAGS, MACHINES, SOURCES, library_path

NOT_COMPILED = "CPU kernels not compiled, no C++ compiler works here: decoding uses torch's operators, which are slower"
# Compiled for every instruction set.
ENCODER = ("inverted_residual", "window_attention", "feed_forward", "convolution_pair")
KERNELS = ("sweeps", "tokens", "token_products", "drawing", "masks", *ENCODER)
RETRY_SECONDS = 3600  # until `--unless-current` looks for a compiler again that it could not download


def compile_library(compiler: Compiler, machine: str, out: Path) -> None:
    """Write the shared library for `machine` to `out`. Raise `CompilationFailed` with the compiler's last lines.

    Several processes may do so at once; a reader finds a whole library or none.
    """
    with TemporaryDirectory(prefix="samfleet-kernels-") as name:
        made = Path(name) / "kernels.so"
        objects = compile_objects(compiler, machine, Path(name))
        compiler.link(("-shared", *objects, "-o", str(made), "-lm"))
        replace(out, made.read_bytes())


def compile_objects(compiler: Compiler, machine: str, folder: Path, extra: Sequence[str] = ()) -> list[str]:
    """Compile the sources once per instruction set of `machine`, with `extra` flags, and return the object files."""
    units = [
        (f"{kernels}.cpp", (*flags, f"-DINSTRUCTIONS={instructions}"), folder / f"{kernels}-{instructions}.o")
        for instructions, flags in MACHINES[machine].items()
        for kernels in KERNELS
    ]
    units.append(("dispatch.cpp", (), folder / "dispatch.o"))

    def compile_one(unit: tuple[str, tuple[str, ...], Path]) -> str:
        source, flags, target = unit
        compiler.compile((*FLAGS, *extra, *flags, "-c", str(SOURCES / source), "-o", str(target)))
        return str(target)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_one, units))


def replace(path: Path, content: bytes) -> None:
    """Write a file in one step."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as part:
        part.write(content)
    Path(part.name).chmod(0o644)
    Path(part.name).replace(path)


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


def is_current(out: Path, identity: str) -> bool:
    """Test whether building again would end as the last time: same sources, same compiler of the system.

    A failure counts for an hour only, because the `ziglang` wheel may be reachable later.
    """
    try:
        record = json.loads(_record(out).read_text())
        if record["compiler"] != identity:
            return False
        return out.is_file() if record["used"] else time.time() - record["time"] < RETRY_SECONDS
    except (OSError, ValueError, KeyError, TypeError):  # none, or damaged: built again
        return False


def _record(out: Path) -> Path:
    return out.with_suffix(".json")


def _build_recorded(out: Path, machine: str, identity: str, *, zig: bool) -> str | None:
    """Build, record how, and remove the libraries of other sources."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=out.parent):
        pass  # a folder that cannot be written is found before the compilation
    used = build(out, machine, zig=zig)
    replace(_record(out), json.dumps({"compiler": identity, "used": used, "time": time.time()}).encode())
    if used:
        for old in out.parent.glob(f"kernels-{machine}-*"):
            if old.stem != out.stem:
                with suppress(FileNotFoundError):  # another process removed it
                    old.unlink()
    return used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machine", default=platform.machine(), help="x86_64 or aarch64; default: this machine's")
    parser.add_argument("--zig", action="store_true", help="use the compiler of the ziglang wheel")
    parser.add_argument("--out", type=Path, default=library_path(), help="where to write the library")
    parser.add_argument("--unless-current", action="store_true", help="do nothing if sources and compiler are the same")
    options = parser.parse_args()
    if options.machine not in MACHINES:
        print(f"there are no CPU kernels for {options.machine}: decoding uses torch's operators")
        return
    identity = compiler_identity(options.machine)
    if options.unless_current and is_current(options.out, identity):
        return
    try:
        used = _build_recorded(options.out, options.machine, identity, zig=options.zig)
    except OSError as error:
        folder = options.out.parent
        where = folder if Path(error.filename or folder).is_relative_to(folder) else error.filename
        print(f"CPU kernels not compiled, {where} cannot be written ({error.strerror}): run this as its owner")
        return
    print(f"CPU kernels compiled with {used}" if used else NOT_COMPILED)


if __name__ == "__main__":
    main()
