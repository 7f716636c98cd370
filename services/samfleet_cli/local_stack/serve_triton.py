"""Becomes the wheel's Triton server on all addresses of this machine: the command of deploy/triton-cpu.Dockerfile."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from samfleet.config import Settings
from samfleet.variants.catalogue import add_variants_of
from samfleet_cli.local_stack.settings import StackSettings
from samfleet_cli.local_stack.triton import make_command
from samfleet_cli.local_stack.triton_command import triton_argv, triton_env

# Triton's own defaults.
_PORTS = {"triton_http": 8000, "triton_grpc": 8001, "triton_metrics": 8002}


def main() -> None:
    stack = StackSettings()
    ports = _PORTS | {name: port for name, port in stack.fixed_ports().items() if name in _PORTS}
    settings = Settings()
    add_variants_of(settings.variants_dir)
    folder = Path(tempfile.mkdtemp(prefix="samfleet-triton-"))
    command = make_command(stack, settings.weights_dir, ports, "0.0.0.0", folder)  # noqa: S104 - a container's port
    argv = triton_argv(command)
    os.execve(argv[0], argv, triton_env(command, os.environ))  # noqa: S606 - becoming Triton is this module's purpose


if __name__ == "__main__":
    main()
