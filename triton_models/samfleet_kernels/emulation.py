"""Runs the programs of `checks` on processors that QEMU emulates, and compares with this processor's results."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from samfleet_kernels.compilers import CompilationFailed
from samfleet_kernels.programs import compile_programs

STATIC = ("-static",)  # an emulator then needs no libraries of its processor


class CannotEmulate(Exception):
    """An emulator or a compiler is missing; the message says how to install it."""


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor that `emulator` emulates, and the instruction sets that the kernels must run there.

    The emulator must refuse the instructions that the processor does not have.
    """

    name: str
    machine: str
    emulator: tuple[str, ...]
    instructions: frozenset[str]


# The first has ARMv8.0 without extensions. QEMU emulates no AVX-512 at all.
PROCESSORS = {
    processor.name: processor
    for processor in (
        Processor("cortex-a57", "aarch64", ("qemu-aarch64", "-cpu", "cortex-a57"), frozenset({"neon"})),
        Processor("haswell", "x86_64", ("qemu-x86_64", "-cpu", "Haswell"), frozenset({"baseline", "avx2"})),
        Processor("nehalem", "x86_64", ("qemu-x86_64", "-cpu", "Nehalem"), frozenset({"baseline"})),
    )
}


def emulate(processors: Sequence[Processor], folder: Path) -> int:
    """Run the programs on each processor and return the number of findings, which are printed.

    A finding is a program that fails, or that ran other instruction sets than `instructions`. Raise `CannotEmulate`.
    """
    for processor in processors:
        if shutil.which(processor.emulator[0]) is None:
            raise CannotEmulate(f"{processor.emulator[0]} is not installed: apt-get install qemu-user")
    machines = dict.fromkeys([platform.machine(), *(processor.machine for processor in processors)])
    programs = {machine: _compiled(machine, folder / machine) for machine in machines}
    findings = 0
    for program in programs[platform.machine()]:
        done = subprocess.run((str(program), "--write", str(_results(folder, program))), check=False)
        findings += done.returncode != 0
    for processor in processors:
        for program in programs[processor.machine]:
            findings += _differs(processor, program, _results(folder, program))
    return findings


def _compiled(machine: str, folder: Path) -> list[Path]:
    try:
        return compile_programs(machine, folder, STATIC)
    except CompilationFailed as error:
        package = "g++" if machine == platform.machine() else f"g++-{machine.replace('_', '-')}-linux-gnu"
        raise CannotEmulate(f"no compiler for {machine} works: apt-get install {package}\n{error}") from error


def _results(folder: Path, program: Path) -> Path:
    return folder / f"{program.name}.results"


def _differs(processor: Processor, program: Path, expected: Path) -> bool:
    command = (*processor.emulator, str(program), "--against", str(expected))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    what = f"{program.name} on {processor.name}"
    print(f"{what}:\n{done.stdout}", end="", flush=True)
    ran = {line.partition(",")[0] for line in done.stdout.splitlines()}
    if done.returncode:
        print(f"{what} failed with exit code {done.returncode}: {done.stderr.strip()}")
    elif ran != processor.instructions:
        print(f"{what} ran {sorted(ran)}, not {sorted(processor.instructions)}")
    return done.returncode != 0 or ran != processor.instructions
