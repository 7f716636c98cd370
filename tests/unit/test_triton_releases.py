from __future__ import annotations

import re
from pathlib import Path

import pytest

from samfleet.triton_releases import FAULTS, LAST_FIX, LAST_FIX_RELEASE, release_warning

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("version", "old"), [("2.51.0", True), ("2.69.1", True), ("2.70.0", False), ("3.0.0", False)])
def test_only_releases_without_the_last_fix_have_a_warning(version: str, old: bool) -> None:
    warning = release_warning(version)

    assert (warning is not None) == old
    assert not old or version in str(warning)


def test_a_server_without_a_version_has_no_warning() -> None:
    assert release_warning("") is None


def test_the_last_fix_is_that_of_the_newest_fault() -> None:
    assert max(fault.fixed_in for fault in FAULTS) == FAULTS[-1].fixed_in == LAST_FIX_RELEASE


def test_the_image_of_nvidia_has_the_last_fix() -> None:
    dockerfile = (ROOT / "deploy" / "triton-gpu.Dockerfile").read_text(encoding="utf-8")
    release, version = (
        re.search(r"tritonserver:(\d\d\.\d\d)-py3", dockerfile),
        re.search(r"Triton (2\.\d+)", dockerfile),
    )
    assert release
    assert version
    assert release[1] >= LAST_FIX_RELEASE
    assert release_warning(version[1]) is None
    assert LAST_FIX > (2, 51), "the embedded server is older"


def test_the_decision_names_the_source_of_each_fault() -> None:
    decision = (ROOT / "docs" / "adr" / "0068-the-embedded-triton-stays-local.md").read_text(encoding="utf-8")
    assert not [fault.cve for fault in FAULTS if f"| {fault.cve} | {fault.fixed_in} |" not in decision]
