from __future__ import annotations

import os
import signal
import sys

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from samfleet_kernels.library import choose

# Without bytecode, pytest rewrites all tests in every run, and every command that they start compiles our modules.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

for _name in [name for name in os.environ if name.startswith("SAMFLEET_")]:
    if _name not in {
        "SAMFLEET_SHARED",
        "SAMFLEET_WEIGHTS_DIR",
        "SAMFLEET_TWO_POOLS_IMAGES",
        "SAMFLEET_DISTILL_IMAGES",
        "SAMFLEET_KERNELS",
        "SAMFLEET_OFFICIAL",
        "SAMFLEET_OFFICIAL_PYTHON",
    }:
        del os.environ[_name]

choose(os.environ.get("SAMFLEET_KERNELS") or "auto")  # for the engines of the tests themselves

# A background job of a shell ignores Ctrl-C, and so would every command that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "fixtures.servers.postgres",
    "fixtures.servers.file_server",
    "fixtures.servers.redis",
    "fixtures.api.running_api",
    "fixtures.api.recorded_run",
    "fixtures.api.advised_tenant",
    "fixtures.servers.dead_proxy",
    "fixtures.servers.receiver",
    "fixtures.servers.s3_server",
]

# Folders in the order in which they run. Those with long files come early: two processes then end together.
ORDER = ("contract", "parity", "chaos", "e2e", "integration", "unit")
OWN_STACKS = "tests/e2e/test_failed_starts.py"


class StackTogether(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a process whole files, as `--dist loadfile` does, and one process all that use the session's stack."""

    def _split_scope(self, nodeid: str) -> str:
        scope: str = super()._split_scope(nodeid)
        return "tests/e2e" if scope.startswith("tests/e2e/") and scope != OWN_STACKS else scope


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> StackTogether | None:
    return StackTogether(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: ORDER.index(folder) if (folder := item.nodeid.split("/")[1]) in ORDER else 0)
