"""Checks of Triton by `samfleet doctor`: embedded, in a container, and of each pool."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.servers.good_machine import BARE, GOOD, IMAGE, WITH_IMAGE, answer, examined
from samfleet_cli.local_stack.container_engine import Engine
from samfleet_cli.local_stack.doctor import examine
from samfleet_cli.local_stack.triton_checks import TritonChoice


@pytest.mark.parametrize(
    ("engines", "words"),
    [
        ([], "apt-get install podman"),
        ([BARE], "docker build --tag samfleet-triton-gpu:test"),
        ([WITH_IMAGE], "SAMFLEET_TRITON=container samfleet up"),
    ],
)
def test_an_old_embedded_triton_is_a_warning_with_the_way_to_a_newer_one(engines: list[Engine], words: str) -> None:
    checks = examined(replace(GOOD, embedded_triton=answer("2.51.0"), container_engines=answer(engines)))
    assert checks["Triton"].state == "warning"
    assert "2.51.0" in checks["Triton"].found
    assert words in (checks["Triton"].remedy or "")
    assert checks["container engine"].state == "ok"


def test_a_container_makes_the_needs_of_the_embedded_triton_superfluous() -> None:
    probes = replace(
        GOOD, python_library=answer(None), embedded_triton=answer(None), container_engines=answer([WITH_IMAGE])
    )
    assert examined(probes)["libpython"].state == "missing"
    for setting in ("container", "auto"):
        checks = examined(probes, TritonChoice(setting, IMAGE))
        assert "libpython" not in checks
        assert {check.state for check in checks.values()} == {"ok"}


@pytest.mark.parametrize(("engines", "missing"), [([], {"container engine", "Triton"}), ([BARE], {"Triton"})])
def test_a_container_that_cannot_start_is_missing(engines: list[Engine], missing: set[str]) -> None:
    checks = examined(replace(GOOD, container_engines=answer(engines)), TritonChoice("container", IMAGE))
    assert {check.name for check in checks.values() if check.state == "missing"} == missing
    assert all(check.remedy for check in checks.values() if check.state == "missing")


def test_the_servers_of_all_pools_are_named_with_their_versions() -> None:
    versions = {"gpu:8001": "2.71.0", "old:8001": "2.51.0", "away:8001": None}
    asked = []

    def version(address: str, secret: str | None) -> str | None:
        asked.append((address, secret))
        return versions.get(address)

    pools = {"gpu": ("gpu:8001",), "cpu": ("old:8001", "away:8001")}
    choice = TritonChoice("embedded", IMAGE, pools, "secret")
    probes = replace(GOOD, triton_version=version)
    checks = examine(probes, state_dir=Path("/somewhere"), fixed_ports={}, triton=choice)
    servers = [check for check in checks if check.name.startswith("Triton of pool")]
    assert [(check.name, check.state) for check in servers] == [
        ("Triton of pool gpu", "ok"),
        ("Triton of pool cpu", "warning"),
        ("Triton of pool cpu", "warning"),
    ]
    assert "2.71.0" in servers[0].found
    assert "2.51.0" in servers[1].found
    assert "away:8001 does not answer" in servers[2].found
    assert asked == [("gpu:8001", "secret"), ("old:8001", "secret"), ("away:8001", "secret")]
