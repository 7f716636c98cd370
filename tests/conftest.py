from __future__ import annotations

import os
import signal
import sys

# Without bytecode, pytest rewrites all tests in every run, and every command that they start compiles our modules.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

for _name in [name for name in os.environ if name.startswith("SAMFLEET_")]:
    if _name not in {
        "SAMFLEET_SHARED",
        "SAMFLEET_WEIGHTS_DIR",
        "SAMFLEET_TWO_POOLS_IMAGES",
        "SAMFLEET_DISTILL_IMAGES",
    }:
        del os.environ[_name]

# A background job of a shell ignores Ctrl-C, and so would every command that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "fixtures.servers.postgres",
    "fixtures.servers.file_server",
    "fixtures.servers.redis",
    "fixtures.servers.running_stack",
    "fixtures.api.running_api",
    "fixtures.api.recorded_run",
    "fixtures.api.advised_tenant",
    "fixtures.servers.dead_proxy",
    "fixtures.servers.receiver",
]
