"""The programs of `checks`, which compare the results of the kernels' instruction sets, and their compilation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from samfleet_kernels.build import compile_objects
from samfleet_kernels.compilers import CompilationFailed, compilers
from samfleet_kernels.sources import FLAGS, SOURCES

PROGRAMS = sorted((Path(__file__).parent / "checks").glob("*.cpp"))


def compile_programs(machine: str, folder: Path, extra: Sequence[str]) -> list[Path]:
    """Compile the programs for `machine` with `extra` flags into a new `folder`. Raise `CompilationFailed`."""
    folder.mkdir()
    compiler = next(compilers(folder, machine), None)
    if compiler is None:
        raise CompilationFailed("there is none")
    objects = compile_objects(compiler, machine, folder, extra)
    programs = []
    for source in PROGRAMS:
        program, include = folder / source.stem, ("-I", str(SOURCES))
        compiler.compile((*FLAGS, *extra, *include, str(source), *objects, "-o", str(program)))
        programs.append(program)
    return programs
