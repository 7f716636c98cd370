"""The library of the compiled kernels: which are chosen, and what happens where they cannot be compiled."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch

from fixtures.models.kernels import kernels, reset_kernels
from samfleet_kernels import build, compilers, gpu, library
from samfleet_kernels.library import Kernels, KernelsUnavailable, chosen, find
from samfleet_kernels.sources import library_path, source_hash
from samfleet_models.device.hardware import fingerprint, prepare_device

__all__ = ["kernels", "reset_kernels"]

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("usable", "expected"),
    [(("avx512", "avx2", "baseline"), "avx512"), (("avx2", "baseline"), "avx2"), (("baseline",), None), ((), None)],
)
def test_auto_takes_the_widest_that_was_measured(
    usable: tuple[str, ...], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "supported", lambda: usable)
    monkeypatch.setattr(library, "_library", lambda: "a library")
    found = find("auto")
    assert (found and found.instructions) == expected
    assert find("off") is None


@pytest.mark.parametrize("choice", ["avx512", "neon", "AVX2", ""])
def test_kernels_that_are_not_there_are_an_error(choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "supported", lambda: ("avx2", "baseline"))
    with pytest.raises(KernelsUnavailable) as caught:
        prepare_device(CPU, None, choice)
    assert caught.value.code == "kernels_unavailable"
    assert "avx2" in caught.value.message


def test_the_hardware_names_the_kernels_in_use(kernels: Kernels) -> None:
    assert chosen() == kernels
    assert fingerprint(CPU)["kernels"] == kernels.instructions
    prepare_device(CPU, None, "off")
    assert fingerprint(CPU)["kernels"] == "torch"


@pytest.mark.usefixtures("reset_kernels")
def test_gpu_kernels_need_a_gpu_and_their_language(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(KernelsUnavailable, match="computes on cpu"):
        prepare_device(CPU, None, "triton")
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    with pytest.raises(KernelsUnavailable, match="package triton"):
        gpu.kernels_on("cuda", "triton")
    source = tmp_path / "__init__.py"
    source.write_text("import os\n__version__ = '3.8.0'\n")
    monkeypatch.setattr(gpu, "find_spec", lambda name: ModuleSpec(name, None, origin=str(source)))
    assert gpu.kernels_on("cuda", "triton") == "triton 3.8.0"
    assert gpu.kernels_on("cuda", "auto") is None  # not before a GPU was measured
    assert gpu.kernels_on("cpu", "auto") is None


def test_the_library_is_that_of_the_sources() -> None:
    assert source_hash() in library_path().name


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """No `ziglang` wheel is installed or reachable; the list has the folders of attempted downloads."""
    tried: list[Path] = []

    def download(folder: Path) -> bool:
        tried.append(folder)
        return False

    monkeypatch.setattr(compilers, "find_spec", lambda _: None)
    monkeypatch.setattr(compilers, "_download", download)
    return tried


def fake_compiler(folder: Path, version: str = "1.0") -> Path:
    """Write a program that takes its `-o` as the only thing to do, like a compiler that never fails."""
    script = folder / "fake-c++"
    script.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo {version} && exit\n'
        'while [ "$1" != -o ]; do shift; done\necho compiled > "$2"\n'
    )
    script.chmod(0o755)
    return script


def run_build(monkeypatch: pytest.MonkeyPatch, out: Path, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", ["build", "--out", str(out), *options])
    build.main()


def test_without_a_compiler_the_build_says_so_once_and_succeeds(
    monkeypatch: pytest.MonkeyPatch, offline: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    out = tmp_path / "kernels.so"
    run_build(monkeypatch, out, "--unless-current")
    assert "no C++ compiler works here: decoding uses torch's operators" in capsys.readouterr().out
    assert not out.exists()
    run_build(monkeypatch, out, "--unless-current")
    assert not capsys.readouterr().out
    assert len(offline) == 1
    monkeypatch.setattr(build, "RETRY_SECONDS", 0)
    run_build(monkeypatch, out, "--unless-current")
    assert len(offline) == 2


def test_a_compiler_that_fails_is_named_and_the_next_one_is_tried(
    monkeypatch: pytest.MonkeyPatch, offline: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "broken"
    script.write_text("#!/bin/sh\necho 'no such header' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    assert build.build(tmp_path / "kernels.so", platform.machine()) is None
    assert "no such header" in capsys.readouterr().err
    assert len(offline) == 1


def test_the_build_runs_again_for_another_compiler_a_lost_library_or_a_damaged_record(
    monkeypatch: pytest.MonkeyPatch, offline: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = platform.machine()
    out = tmp_path / "made" / f"kernels-{machine}-new.so"
    monkeypatch.setenv("CXX", str(fake_compiler(tmp_path)))

    def built() -> bool:
        run_build(monkeypatch, out, "--unless-current")
        return "compiled with fake-c++" in capsys.readouterr().out

    assert built()
    assert not built()
    fake_compiler(tmp_path, "2.0")
    assert built()
    out.unlink()
    assert built()
    out.with_suffix(".json").write_text("{")
    assert built()
    outdated = out.with_name(f"kernels-{machine}-old.so")
    outdated.touch()
    out.with_name("kernels-another-old.so").touch()
    out.unlink()
    assert built()
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "kernels-another-old.so",
        f"kernels-{machine}-new.json",
        f"kernels-{machine}-new.so",
    ]
    assert not offline


def test_builds_at_once_leave_one_whole_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = tmp_path / "made" / "kernels.so"
    environment = {**os.environ, "CXX": str(fake_compiler(tmp_path))}
    command = (sys.executable, "-m", "samfleet_kernels.build", "--out", str(out))
    for process in [subprocess.Popen(command, env=environment) for _ in range(3)]:
        assert process.wait() == 0
    assert out.read_text() == "compiled\n"
    assert sorted(path.name for path in out.parent.iterdir()) == ["kernels.json", "kernels.so"]


def test_a_folder_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CXX", str(fake_compiler(tmp_path)))
    (tmp_path / "taken").touch()
    run_build(monkeypatch, tmp_path / "taken" / "kernels.so")
    assert f"CPU kernels not compiled, {tmp_path / 'taken'} cannot be written" in capsys.readouterr().out


def test_a_machine_without_kernels_is_told_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["build", "--machine", "riscv64", "--out", str(tmp_path / "kernels.so")])
    build.main()
    assert "no CPU kernels for riscv64" in capsys.readouterr().out


@pytest.mark.heavy
@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_the_sanitizers_find_nothing() -> None:
    command = (sys.executable, "-m", "samfleet_kernels.check")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
