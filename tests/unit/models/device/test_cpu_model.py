"""The processor's name in the hardware of a measurement."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
import torch

from samfleet_models.device import hardware
from samfleet_models.device.hardware import cpu_flags, fingerprint

X86 = "processor\t: 0\nmodel name\t: AMD EPYC 9R14\nflags\t\t: fpu avx2\n\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd0c\n\n"


@pytest.mark.parametrize(
    ("cpuinfo", "name", "flags"),
    [
        (X86 * 2, "AMD EPYC 9R14", "fpu avx2"),
        (ARM * 2, "aarch64 0x41 0xd0c", "fp asimd"),
        ("processor\t: 0\n", "aarch64", ""),
        (None, "aarch64", ""),
    ],
)
def test_the_processor_is_named_on_x86_and_on_arm(
    cpuinfo: str | None, name: str, flags: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hardware, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(platform, "processor", lambda: "")
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(cpuinfo)

    assert fingerprint(torch.device("cpu"))["cpu_model"] == name
    assert cpu_flags() == flags
