"""The embedded Triton as a part: the server of the `nvidia-pytriton` wheel over our two folders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from samfleet.paths import asset
from samfleet.variants.catalogue import get_variant
from samfleet.variants.weights.verify import has_weights
from samfleet_cli.local_stack.gates import gates_folder
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.own_variants import write_own_repository
from samfleet_cli.local_stack.packages import package_folder
from samfleet_cli.local_stack.part import PartSpec
from samfleet_cli.local_stack.ports import LOOPBACK
from samfleet_cli.local_stack.readiness import HttpReady
from samfleet_cli.local_stack.settings import StackSettings
from samfleet_cli.local_stack.triton_command import (
    TritonCommand,
    locate_triton,
    prepare_backends,
    triton_argv,
    triton_env,
)


def part(state_dir: StateDir, stack: StackSettings, weights: Path, ports: Mapping[str, int]) -> PartSpec:
    command = replace(make_command(stack, weights, ports, LOOPBACK, state_dir.root), exit_seconds=12)
    shared_memory = f"samfleet-{hashlib.sha256(bytes(state_dir.root)).hexdigest()[:12]}-"
    return PartSpec(
        name="triton",
        argv=(*triton_argv(command), f"--backend-config=python,shm-region-prefix-name={shared_memory}"),
        env=triton_env(command, os.environ),
        readiness=HttpReady(LOOPBACK, command.http_port, "/v2/health/ready"),
        address=f"grpc://{LOOPBACK}:{command.grpc_port}",
        stop_seconds=15.0,  # beyond the server's own exit_seconds
        start_seconds=3600.0,  # it listens when its variants are loaded, compiled ones after minutes of warming up
        needs_children=True,
        leaves=(Path("/dev/shm"), f"{shared_memory}*"),  # noqa: S108 - where shm_open(3) keeps its objects
    )


def make_command(
    stack: StackSettings, weights: Path, ports: Mapping[str, int], host: str, folder: Path
) -> TritonCommand:
    """Loads at start the variants whose weights are there; others load on demand. Writes two folders into `folder`."""
    files = locate_triton()
    return TritonCommand(
        files=files,
        backends=prepare_backends(files, asset("triton_models", "backends"), folder / "triton_backends"),
        repository=asset("triton_models", "repository"),
        weights=weights,
        http_port=ports["triton_http"],
        grpc_port=ports["triton_grpc"],
        metrics_port=ports["triton_metrics"],
        models=[name for name in stack.variants if has_weights(weights, get_variant(name))],
        python_path=tuple(dict.fromkeys(package_folder(name).parent for name in ("samfleet", "samfleet_models"))),
        host=host,
        device=stack.device,
        execution=stack.execution,
        gates=gates_folder(stack),
        own_repository=write_own_repository(folder / "triton_models"),
    )
