"""The health check of a Triton container: exits with 0 when the server is ready, with 1 otherwise.

`python -m samfleet_cli.local_stack.triton_health [ADDRESS]` asks by gRPC with `SAMFLEET_TRITON_SECRET`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from samfleet.config import Settings
from samfleet_cli.local_stack.part import Answer
from samfleet_cli.local_stack.readiness import TritonReady

_ADDRESS = "127.0.0.1:8001"


def main(argv: Sequence[str]) -> int:
    address = argv[0] if argv else _ADDRESS
    ready = TritonReady(address, Settings().triton_secret).ask() is Answer.READY
    if not ready:
        sys.stderr.write(f"Triton at {address} is not ready, or has another SAMFLEET_TRITON_SECRET\n")
    return 0 if ready else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
