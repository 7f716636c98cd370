"""The checks of the kernels on emulated processors: what is a finding, and what is said where a tool is missing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from samfleet_kernels import check, compilers, emulation
from samfleet_kernels.compilers import CompilationFailed, compiler_identity, system_compiler
from samfleet_kernels.emulation import PROCESSORS, CannotEmulate, Processor, emulate
from samfleet_kernels.library import _BITS
from samfleet_kernels.sources import MACHINES, SOURCES

CHECKS = SOURCES.parent / "checks"
AGREES = 'echo "baseline, a product: within 0.0e+00 of 1.0"'
Emulated = Callable[[str, str], int]


def script(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return path


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Emulated:
    """Emulate a processor with baseline instructions by one command, with a program that does another one; findings."""

    def run(program: str, emulator: str) -> int:
        def compile_programs(machine: str, folder: Path, extra: Sequence[str]) -> list[Path]:
            folder.mkdir()
            return [script(folder / "encoder", 'if [ "$1" = --write ]; then echo 1 > "$2"; fi', program)]

        monkeypatch.setattr(emulation, "compile_programs", compile_programs)
        command = str(script(tmp_path / "emulator", emulator))
        processor = Processor("old", platform.machine(), (command, "-cpu", "old"), frozenset({"baseline"}))
        return emulate([processor], tmp_path)

    return run


def test_a_program_that_agrees_is_no_finding(emulated: Emulated, capsys: pytest.CaptureFixture[str]) -> None:
    assert emulated(AGREES, 'shift 2; grep -q 1 "$3" && exec "$@"') == 0
    assert "encoder on old:\nbaseline, a product" in capsys.readouterr().out


def test_other_instruction_sets_than_the_processor_s_are_a_finding(
    emulated: Emulated, capsys: pytest.CaptureFixture[str]
) -> None:
    assert emulated(AGREES, 'shift 2; "$@"; echo "avx2, a product: within 0.0e+00 of 1.0"') == 1
    assert "encoder on old ran ['avx2', 'baseline'], not ['baseline']" in capsys.readouterr().out


def test_an_instruction_that_the_processor_lacks_is_a_finding(
    emulated: Emulated, capsys: pytest.CaptureFixture[str]
) -> None:
    assert emulated(AGREES, 'shift 2; "$@"; echo "illegal instruction" >&2; exit 132') == 1
    assert "encoder on old failed with exit code 132: illegal instruction" in capsys.readouterr().out


def test_a_program_that_fails_on_this_processor_is_a_finding(emulated: Emulated) -> None:
    assert emulated(f'{AGREES}; [ "$1" != --write ]', 'shift 2; "$@"') == 1


def test_the_emulated_processors_cover_what_is_compiled_but_for_avx512() -> None:
    covered = {instructions for processor in PROCESSORS.values() for instructions in processor.instructions}
    assert covered == {name for name in _BITS if not name.startswith("avx512")}
    for processor in PROCESSORS.values():
        assert processor.instructions <= MACHINES[processor.machine].keys()


def test_a_missing_emulator_or_compiler_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def compile_programs(machine: str, folder: Path, extra: Sequence[str]) -> list[Path]:
        if machine == platform.machine():
            return []
        raise CompilationFailed("there is none")

    monkeypatch.setattr(emulation, "compile_programs", compile_programs)
    foreign = Processor("other", "aarch128", (sys.executable,), frozenset())
    with pytest.raises(CannotEmulate, match=r"for aarch128 works: apt-get install g\+\+-aarch128-linux-gnu"):
        emulate([foreign], tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["check", "--emulate", "haswell"])
    assert check.main() == 2
    assert "qemu-x86_64 is not installed: apt-get install qemu-user" in capsys.readouterr().err


def test_a_processor_that_is_unknown_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["check", "--emulate", "haswell", "z80"])
    with pytest.raises(SystemExit) as caught:
        check.main()
    assert caught.value.code == 2
    assert "cannot emulate z80: use some of cortex-a57, haswell, nehalem" in capsys.readouterr().err


def test_another_machine_is_compiled_for_by_its_own_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own, cross = script(tmp_path / "c++", "echo 1"), script(tmp_path / "aarch64-linux-gnu-g++", "echo 2")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", str(own))
    assert system_compiler("x86_64") == str(own)
    assert system_compiler("aarch64") == system_compiler("arm64") == str(cross)
    assert compiler_identity("aarch64") == f"{cross}: 2"
    cross.unlink()
    assert compiler_identity("aarch64") == "none"
    monkeypatch.setattr(compilers, "find_spec", lambda _: True)
    (zig,) = compilers.compilers(tmp_path, "aarch64")
    assert zig.command[-2:] == ("-target", "aarch64-linux-gnu")


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_the_programs_compare_with_the_results_of_another_run(tmp_path: Path) -> None:
    source, program = tmp_path / "program.cpp", tmp_path / "program"
    source.write_text(
        '#include "comparison.h"\n'
        "uint32_t samfleet_supported(void) { return 1; }\n"
        "struct Set { const char *name; uint32_t bit; };\n"
        'static const Set SETS[] = {{"baseline", 1}};\n'
        "int main(int count, char **arguments) {\n"
        "    if (!open_results(count, arguments)) return 2;\n"
        '    Array numbers(atoi(getenv("SIZE")), (float)atof(getenv("NUMBER")));\n'
        '    return each_set(SETS, "numbers", [&](const Set &) { return numbers; });\n'
        "}\n"
    )
    subprocess.run(("c++", "-std=c++17", f"-I{SOURCES}", f"-I{CHECKS}", source, "-o", program), check=True)

    def run(number: float, size: int, *arguments: str) -> int:
        environment = {**os.environ, "NUMBER": str(number), "SIZE": str(size)}
        return subprocess.run((program, *arguments), check=False, env=environment).returncode

    results = str(tmp_path / "results")
    assert run(2, 3, "--write", results) == 0
    assert run(2.0001, 3, "--against", results) == 0
    assert run(2.001, 3, "--against", results) == 1
    assert run(2, 4, "--against", results) == 2
    assert run(2, 3, "--against", str(tmp_path / "none")) == 2
    assert run(2, 3, "--compare", results) == 2


@pytest.mark.heavy
@pytest.mark.timeout(3600)
@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="no qemu-user")
@pytest.mark.skipif(shutil.which("aarch64-linux-gnu-g++") is None, reason="no cross compiler")
def test_the_kernels_agree_on_emulated_processors() -> None:
    command = (sys.executable, "-m", "samfleet_kernels.check", "--emulate")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
