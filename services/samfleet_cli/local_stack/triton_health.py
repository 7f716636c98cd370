"""Health check of a Triton container: exits with 0 if the server is ready, otherwise with 1.

`python -m samfleet_cli.local_stack.triton_health [ADDRESS]` queries it by gRPC with `SAMFLEET_TRITON_SECRET`.
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
        sys.stderr.write(f"Triton at {address} is not ready, or has a different SAMFLEET_TRITON_SECRET\n")
    return 0 if ready else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
