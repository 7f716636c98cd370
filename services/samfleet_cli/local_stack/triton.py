"""The embedded Triton as a part: the server of the `nvidia-pytriton` wheel with our repository and backends."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from samfleet.paths import asset
from samfleet.triton_tls import TlsFiles
from samfleet.variants.catalogue import get_variant
from samfleet.variants.weights.verify import has_weights
from samfleet_cli.local_stack import confine
from samfleet_cli.local_stack.gates import gates_folder
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.own_variants import hosted_repository, write_own_repository
from samfleet_cli.local_stack.packages import package_folder
from samfleet_cli.local_stack.part import PartSpec
from samfleet_cli.local_stack.ports import LOOPBACK
from samfleet_cli.local_stack.readiness import TritonReady
from samfleet_cli.local_stack.settings import StackSettings
from samfleet_cli.local_stack.triton_command import (
    TritonCommand,
    locate_triton,
    prepare_backends,
    triton_argv,
    triton_env,
)

TRITON_PORTS = {"triton_grpc": 8001, "triton_metrics": 8002}  # Triton's defaults
_SOCKET = "triton"


def part(
    state_dir: StateDir,
    stack: StackSettings,
    weights: Path,
    ports: Mapping[str, int],
    max_batch_size: int | None = None,
) -> PartSpec:
    folder, socket = state_dir.triton_folder(), triton_socket(state_dir)
    command = make_command(stack, weights, ports, LOOPBACK, folder, socket=socket, max_batch_size=max_batch_size)
    command = replace(command, exit_seconds=12, compiled=folder / state_dir.compiled.name)
    shared_memory = f"samfleet-{hashlib.sha256(bytes(state_dir.root)).hexdigest()[:12]}-"
    return PartSpec(
        name="triton",
        argv=confine.command(
            (*triton_argv(command), f"--backend-config=python,shm-region-prefix-name={shared_memory}")
        ),
        env=triton_env(command, os.environ),
        readiness=TritonReady(command.address, models=tuple(command.models)),
        address=command.address,
        stop_seconds=15.0,  # longer than the server's exit_seconds
        start_seconds=3600.0,  # it listens after loading its variants; compiled ones need minutes of warm-up
        needs_children=True,
        leaves=(Path("/dev/shm"), f"{shared_memory}*"),  # noqa: S108 - the folder of shm_open(3)
    )


def triton_socket(state_dir: StateDir) -> Path:
    return state_dir.socket_folder(len(f"/{_SOCKET}:{TRITON_PORTS['triton_grpc']}")) / _SOCKET


def address(state_dir: StateDir) -> str:
    """Return the address of the embedded Triton for clients."""
    return f"unix:{triton_socket(state_dir)}:{TRITON_PORTS['triton_grpc']}"


def make_command(
    stack: StackSettings,
    weights: Path,
    ports: Mapping[str, int],
    host: str,
    folder: Path,
    *,
    socket: Path | None = None,
    tls: TlsFiles | None = None,
    max_batch_size: int | None = None,
) -> TritonCommand:
    """Build the command. Variants with weights are loaded at start, others on demand. Writes subfolders of `folder`,
    whose path Triton must be able to use. `max_batch_size` bounds batches in addition to the variants' own limits.
    """
    files = locate_triton()
    return TritonCommand(
        files=files,
        backends=prepare_backends(files, asset("triton_models", "backends"), folder / "triton_backends"),
        repository=hosted_repository(folder / "triton_repository", max_batch_size),
        weights=weights,
        grpc_port=TRITON_PORTS["triton_grpc"],
        metrics_port=ports["triton_metrics"],
        models=[name for name in stack.variants if has_weights(weights, get_variant(name))],
        python_path=tuple(dict.fromkeys(package_folder(name).parent for name in ("samfleet", "samfleet_models"))),
        host=host,
        socket=socket,
        tls=tls,
        device=stack.device,
        execution=stack.execution,
        gates=gates_folder(stack),
        own_repository=write_own_repository(folder / "triton_models", max_batch_size),
    )
