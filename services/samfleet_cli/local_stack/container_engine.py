"""Container engines of this machine: Docker or podman, whichever responds and has the image."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from samfleet.errors import SamfleetError
from samfleet_cli.local_stack.layout import StateDir

EngineName = Literal["docker", "podman"]
Run = Callable[[Sequence[str]], str | None]

# Version, and whether the engine runs without root. Only an engine that can run containers replies: Docker's client
# asks its server.
_FACTS: dict[EngineName, str] = {
    "docker": "{{.ServerVersion}} {{.SecurityOptions}}",
    "podman": "{{.Version.Version}} rootless={{.Host.Security.Rootless}}",
}
_ROOTLESS = ("name=rootless", "rootless=true")
_QUERY_SECONDS = 20


class ContainerEngineMissing(SamfleetError):
    """No container engine responds; start Docker or install podman, or set SAMFLEET_TRITON=embedded."""

    code = "container_engine_missing"


class TritonImageMissing(SamfleetError):
    """No container engine here has the image of Triton; build it, or set SAMFLEET_TRITON=embedded."""

    code = "triton_image_missing"


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine that responds. `has_image` says whether it has the image that was looked for.

    A rootless engine maps user ids: root of a container is the account that runs the engine.
    """

    name: EngineName
    program: Path
    version: str
    has_image: bool = False
    rootless: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def ask(argv: Sequence[str]) -> str | None:
    """Return the output of a program; None if it fails, does not end in time, or cannot be run."""
    try:
        answer = subprocess.run(argv, capture_output=True, text=True, timeout=_QUERY_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def find_engines(image: str, run: Run = ask, which: Callable[[str], str | None] = shutil.which) -> list[Engine]:
    """Return the engines that respond, those with the image first, Docker before podman."""
    found = []
    for name, query in _FACTS.items():
        program = which(name)
        facts = run((program, "info", "--format", query)) if program else None
        version = facts.partition(" ")[0] if facts else ""
        if program and facts and version:
            engine = Engine(name, Path(program), version, rootless=any(mark in facts for mark in _ROOTLESS))
            has_image = run((program, "image", "inspect", "--format", "{{.Id}}", image)) is not None
            found.append(replace(engine, has_image=has_image))
    return sorted(found, key=lambda engine: not engine.has_image)


def require_engine(engines: Sequence[Engine], image: str) -> Engine:
    """Return the first engine with the image. Raises `ContainerEngineMissing` or `TritonImageMissing`."""
    if not engines:
        raise ContainerEngineMissing
    if not engines[0].has_image:
        raise TritonImageMissing(
            f"{engines[0]} has no image {image}; {build_command(engines[0].name, image)}, or set "
            "SAMFLEET_TRITON=embedded"
        )
    return engines[0]


def build_command(engine: EngineName, image: str) -> str:
    """Return the command that builds the image in a checkout."""
    return f"run `{engine} build --tag {image} --file deploy/triton-gpu.Dockerfile .` in a checkout"


def record_container(state_dir: StateDir, engine: Engine, name: str) -> None:
    """Record the container, so that it can be removed after its supervisor was killed."""
    facts = {"engine": str(engine.program), "name": name}
    StateDir.write_secret(state_dir.container_file, json.dumps(facts))


def remove_recorded(state_dir: StateDir) -> None:
    """Remove the recorded container of this stack, if there is one. Call it only when nothing runs."""
    if state_dir.container_file.exists():
        facts = json.loads(state_dir.container_file.read_text(encoding="utf-8"))
        ask((facts["engine"], "rm", "--force", facts["name"]))
        state_dir.container_file.unlink()
