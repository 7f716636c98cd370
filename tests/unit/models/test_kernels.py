"""The library of the compiled kernels: which are chosen, and what happens where they cannot be compiled."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fixtures.models.kernels import kernels
from samfleet_kernels import build, library
from samfleet_kernels.library import Kernels, KernelsUnavailable, chosen, find
from samfleet_kernels.sources import library_path, source_hash
from samfleet_models.device.hardware import fingerprint, prepare_device

__all__ = ["kernels"]

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


def test_the_library_is_that_of_the_sources() -> None:
    assert source_hash() in library_path().name


def test_without_a_compiler_the_build_says_so_and_succeeds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(build, "find_spec", lambda _: None)
    monkeypatch.setattr(build, "_download", lambda _: False)
    monkeypatch.setattr(sys, "argv", ["build", "--machine", "x86_64", "--out", str(tmp_path / "kernels.so")])
    build.main()
    assert "no C++ compiler works here: decoding uses torch's operators" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_compiler_that_fails_is_named_and_the_next_one_is_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "broken"
    script.write_text("#!/bin/sh\necho 'no such header' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    monkeypatch.setattr(build, "find_spec", lambda _: None)
    tried: list[Path] = []

    def offline(folder: Path) -> bool:
        tried.append(folder)
        return False

    monkeypatch.setattr(build, "_download", offline)
    assert build.build(tmp_path / "kernels.so", "x86_64") is None
    assert "no such header" in capsys.readouterr().err
    assert len(tried) == 1


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
