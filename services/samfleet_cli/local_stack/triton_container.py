"""Triton as a part in a container: the image that deploy/triton-gpu.Dockerfile builds on NVIDIA's pinned one.

The server listens on the loopback only and requires mutual TLS, because other accounts can reach the loopback. The
container has a read-only root, no capabilities, and this account's user id, so that it reads the closed folders of the
state directory and nobody else does.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from samfleet.config import Settings
from samfleet.variants.catalogue import get_variant
from samfleet.variants.weights.verify import has_weights
from samfleet.version import code_version
from samfleet_cli.local_stack.container_engine import Engine, find_engines, record_container, require_engine
from samfleet_cli.local_stack.gates import gates_folder
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.own_variants import VARIANTS_DIR, hosted_repository
from samfleet_cli.local_stack.part import PartSpec
from samfleet_cli.local_stack.ports import LOOPBACK
from samfleet_cli.local_stack.probes import gpu
from samfleet_cli.local_stack.readiness import TritonReady
from samfleet_cli.local_stack.settings import StackSettings

STOP_SECONDS = 12
_GRPC, _METRICS = 8001, 8002  # ports inside the container
_FOLDER = "/var/lib/samfleet"
_SECRET = "/run/secrets/triton_secret"  # noqa: S105 - a path
_SHARED_MEMORY = "1g"  # Triton passes image files to Python in it
_PASSED_ON = (  # settings of the backend that the user may set for the stack
    "SAMFLEET_ACCEPT_LICENSES", "SAMFLEET_DECODE_PIXELS", "SAMFLEET_GPU_MEMORY_SHARE", "SAMFLEET_KERNELS",
    "SAMFLEET_MAX_BATCH_SIZE", "SAMFLEET_MAX_MASK_BYTES", "SAMFLEET_MAX_PIXELS", "SAMFLEET_MAX_PROMPTS_PER_IMAGE",
    "SAMFLEET_MEMORY_KEPT_FREE", "SAMFLEET_THREADS",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of this machine in the container."""

    source: Path
    target: str
    writable: bool = False

    def __str__(self) -> str:
        """Return the value of the option `--mount`, which engines read as a line of CSV: paths may have commas."""
        fields = ["type=bind", f"source={self.source}", f"target={self.target}"]
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(fields if self.writable else [*fields, "readonly"])
        return line.getvalue()


def image_of(stack: StackSettings) -> str:
    return stack.triton_image or f"samfleet-triton-gpu:{code_version()}"


def chosen_engine(stack: StackSettings) -> Engine | None:
    """Return the engine that runs Triton by SAMFLEET_TRITON; None for the embedded server.

    `auto` takes a container if an engine has the image. Raises an error if `container` is impossible.
    """
    if stack.triton == "embedded":
        return None
    image = image_of(stack)
    engines = find_engines(image)
    if stack.triton == "auto":
        return next((engine for engine in engines if engine.has_image), None)
    return require_engine(engines, image)


def address(ports: Mapping[str, int]) -> str:
    return f"{LOOPBACK}:{ports['triton_grpc']}"


def part(
    engine: Engine,
    state_dir: StateDir,
    settings: Settings,
    stack: StackSettings,
    weights: Path,
    ports: Mapping[str, int],
) -> PartSpec:
    """Return the part. Writes the secret and the model folders that the container reads, and records its name."""
    if settings.triton_secret:
        state_dir.write_secret(state_dir.triton_secret_file, settings.triton_secret)
    secret = state_dir.secret(state_dir.triton_secret_file)
    models = tuple(name for name in stack.variants if has_weights(weights, get_variant(name)))
    name = container_name(state_dir)
    record_container(state_dir, engine, name)
    return PartSpec(
        name="triton",
        argv=(
            *(sys.executable, "-m", "samfleet_cli.local_stack.run_container", str(engine.program), name),
            *(str(STOP_SECONDS), "--"),
            *run_options(engine, ports),
            *gpu_options(engine, stack),
            *(f"--mount={mount}" for mount in mounts(state_dir, settings, stack, weights)),
            *(f"--env={key}={value}" for key, value in environment(settings, stack, models).items()),
            image_of(stack),
        ),
        readiness=TritonReady(address(ports), secret, models),
        address=address(ports),
        stop_seconds=STOP_SECONDS + 8.0,
        start_seconds=3600.0,  # as of the embedded server
    )


def container_name(state_dir: StateDir) -> str:
    """Return the name of a stack's container: one for each state directory and account."""
    return f"samfleet-triton-{os.geteuid()}-{hashlib.sha256(bytes(state_dir.root)).hexdigest()[:12]}"


def run_options(engine: Engine, ports: Mapping[str, int]) -> list[str]:
    """Return the options of `run` that close the container and publish its ports on the loopback."""
    return [
        "--pull=never",
        "--init",
        "--read-only",
        "--tmpfs=/tmp:exec",  # Docker mounts with noexec, and Triton loads its backend from there
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--security-opt=label=disable",  # SELinux would refuse the folders, or relabel them
        f"--shm-size={_SHARED_MEMORY}",
        *_account(engine),
        f"--publish={LOOPBACK}:{ports['triton_grpc']}:{_GRPC}",
        f"--publish={LOOPBACK}:{ports['triton_metrics']}:{_METRICS}",
    ]


def _account(engine: Engine) -> list[str]:
    """Return the options with which the container has the rights of this account to its files, and no others."""
    if not engine.rootless:
        return [f"--user={os.geteuid()}:{os.getegid()}"]
    if engine.name == "podman":
        return [f"--user={os.geteuid()}:{os.getegid()}", "--userns=keep-id"]
    return ["--user=0:0"]  # root in a container of Docker without root is this account


def mounts(state_dir: StateDir, settings: Settings, stack: StackSettings, weights: Path) -> list[Mount]:
    """Return what the container sees of this machine: only the cache of compiled code is writable."""
    state_dir.compiled.mkdir(exist_ok=True, mode=0o700)
    repository = hosted_repository(state_dir.triton_folder() / "triton_repository", settings.max_batch_size)
    found = [
        Mount(weights.resolve(), f"{_FOLDER}/weights"),
        Mount(repository, "/opt/samfleet/repository"),
        Mount(state_dir.triton_secret_file, _SECRET),
        Mount(state_dir.compiled, f"{_FOLDER}/compiled", writable=True),
    ]
    if (gates := gates_folder(stack)).is_dir():
        found.append(Mount(gates, f"{_FOLDER}/gates"))
    if settings.variants_dir:
        found.append(Mount(settings.variants_dir.resolve(), f"{_FOLDER}/variants"))
    return found


def environment(settings: Settings, stack: StackSettings, models: Sequence[str]) -> dict[str, str]:
    """Return the variables of the container. The secret is in a file: `inspect` would show a variable."""
    own = {VARIANTS_DIR: f"{_FOLDER}/variants"} if settings.variants_dir else {}
    return {
        "SAMFLEET_TRITON_SECRET_FILE": _SECRET,
        "SAMFLEET_WEIGHTS_DIR": f"{_FOLDER}/weights",
        "SAMFLEET_GATES_DIR": f"{_FOLDER}/gates",
        "SAMFLEET_VARIANTS": ",".join(models),
        "SAMFLEET_DEVICE": stack.device,
        "SAMFLEET_EXECUTION": stack.execution,
        **own,
        **{name: value for name in _PASSED_ON if (value := os.environ.get(name))},
    }


def gpu_options(engine: Engine, stack: StackSettings) -> list[str]:
    """Return the options that give the container all GPUs, unless the CPU was chosen or there is none."""
    if stack.device == "cpu" or (stack.device == "auto" and gpu() is None):
        return []
    return ["--gpus=all"] if engine.name == "docker" else ["--device=nvidia.com/gpu=all"]
