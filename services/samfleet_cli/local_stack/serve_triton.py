"""Execute the wheel's Triton server on all addresses of this machine: the command of deploy/triton-cpu.Dockerfile.

It accepts only clients with `SAMFLEET_TRITON_SECRET`, and does not start without one.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from samfleet.config import Settings
from samfleet.triton_tls import TritonSecretMissing, derive_identity, require_secret, write_identity
from samfleet.variants.catalogue import add_variants_of
from samfleet_cli.local_stack.settings import StackSettings
from samfleet_cli.local_stack.triton import TRITON_PORTS, make_command
from samfleet_cli.local_stack.triton_command import triton_argv, triton_env


def main() -> None:
    os.umask(0o077)
    stack, settings = StackSettings(), Settings()
    try:
        identity = derive_identity(require_secret(settings.triton_secret))
    except TritonSecretMissing as error:
        sys.exit(f"{error.code}: {error.message}")
    add_variants_of(settings.variants_dir)
    folder = Path(tempfile.mkdtemp(prefix="samfleet-triton-"))
    tls = write_identity(identity, folder / "tls")
    ports = TRITON_PORTS | stack.fixed_ports()
    command = make_command(
        stack,
        settings.weights_dir,
        ports,
        "0.0.0.0",  # noqa: S104 - a container's port
        folder,
        tls=tls,
        max_batch_size=settings.max_batch_size,
    )
    argv = triton_argv(command)
    # Neither the server nor the stub, which inherits its environment, needs the secret.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SAMFLEET_TRITON_SECRET")}
    os.execve(argv[0], argv, triton_env(command, environment))  # noqa: S606 - executing Triton is this module's purpose


if __name__ == "__main__":
    main()
