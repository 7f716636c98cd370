"""Checks of Triton for `samfleet doctor`: which servers there are, their versions, and which one to choose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from samfleet.triton_releases import release_warning
from samfleet_cli.local_stack.check import Check
from samfleet_cli.local_stack.container_engine import Engine, build_command
from samfleet_cli.local_stack.probes import Probes

NEEDS_OF_THE_EMBEDDED = {"libpython", "glibc", "system libraries", "nvidia-pytriton", "numpy", "shared memory"}
_NAME = "Triton"


@dataclass(frozen=True, slots=True)
class TritonChoice:
    """The Triton that settings choose. `pools` are the servers elsewhere, or those of the running stack."""

    setting: Literal["embedded", "container", "auto"]
    image: str
    pools: Mapping[str, Sequence[str]] = field(default_factory=dict)
    secret: str | None = None


def triton_checks(probes: Probes, choice: TritonChoice) -> Iterator[Check]:
    engines = probes.container_engines(choice.image)
    yield _engine_check(engines, choice)
    if choice.pools:
        for pool, servers in choice.pools.items():
            for address in servers:
                yield _server_check(probes, f"{_NAME} of pool {pool}", address, choice.secret)
    else:
        yield _planned_check(probes, engines, choice)


def runs_in_a_container(engines: Sequence[Engine], choice: TritonChoice) -> bool:
    """Return True if `samfleet up` would start a container."""
    return choice.setting == "container" or (choice.setting == "auto" and any(engine.has_image for engine in engines))


def _engine_check(engines: Sequence[Engine], choice: TritonChoice) -> Check:
    name = "container engine"
    if engines:
        images = f"has {choice.image}" if engines[0].has_image else f"has no image {choice.image}"
        return Check(name, "ok", f"{engines[0]}, {images}")
    if choice.setting == "container":
        return Check(name, "missing", "none responds", "start Docker, or apt-get install podman")
    return Check(name, "ok", "none responds: only the embedded Triton, or one elsewhere")


def _server_check(probes: Probes, name: str, address: str, secret: str | None) -> Check:
    version = probes.triton_version(address, None if address.startswith("unix:") else secret)
    if version is None:
        remedy = "start it, and compare SAMFLEET_TRITON_SECRET here and there"
        return Check(name, "warning", f"{address} does not answer", remedy)
    return _version_check(
        name, version, address, "update it to NVIDIA's tritonserver 26.07 (deploy/triton-gpu.Dockerfile)"
    )


def _planned_check(probes: Probes, engines: Sequence[Engine], choice: TritonChoice) -> Check:
    if runs_in_a_container(engines, choice):
        if engines and engines[0].has_image:
            return Check(_NAME, "ok", f"in a container of {engines[0]}, {choice.image}")
        engine = engines[0].name if engines else "docker"
        return Check(_NAME, "missing", f"no image {choice.image}", build_command(engine, choice.image))
    version = probes.embedded_triton()
    if version is None:
        return Check(_NAME, "missing", "not installed", "pip install 'samfleet[local]', or SAMFLEET_TRITON=container")
    return _version_check(_NAME, version, "embedded, behind a socket of this account", _better(engines, choice.image))


def _better(engines: Sequence[Engine], image: str) -> str:
    """Return how to get a Triton with the fixes on this machine."""
    choose = "SAMFLEET_TRITON=container samfleet up"
    if not engines:
        return f"apt-get install podman, build the image, then {choose}  (or SAMFLEET_POOLS, a Triton elsewhere)"
    return choose if engines[0].has_image else f"{build_command(engines[0].name, image)}, then {choose}"


def _version_check(name: str, version: str, where: str, remedy: str) -> Check:
    warning = release_warning(version)
    if warning:
        return Check(name, "warning", f"{where}: {warning}", remedy)
    return Check(name, "ok", f"{where}: {version}")
