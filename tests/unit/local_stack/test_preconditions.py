from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from samfleet.config import Settings
from samfleet_cli.local_stack import preconditions
from samfleet_cli.local_stack.layout import StateDir, StateDirUnwritable
from samfleet_cli.local_stack.plan import make_plan
from samfleet_cli.local_stack.preconditions import AccountUnknown, DiskFull, PortTaken, require_startable
from samfleet_cli.local_stack.settings import StackSettings


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def layout(tmp_path: Path) -> StateDir:
    layout = StateDir(tmp_path / "state")
    layout.create()
    return layout


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def stack(layout: StateDir, **fields: Any) -> StackSettings:
    return StackSettings(state_dir=layout.root, **fields)


def test_a_machine_that_meets_all_preconditions_passes(layout: StateDir) -> None:
    require_startable(layout, Settings(), stack(layout))


def test_a_port_in_use_is_reported_with_its_setting(layout: StateDir, taken: int) -> None:
    with pytest.raises(PortTaken, match=rf"port {taken} .*SAMFLEET_API_PORT"):
        require_startable(layout, Settings(), stack(layout, api_port=taken))
    with pytest.raises(PortTaken):
        make_plan(Settings(), stack(layout, api_port=taken), {})


def test_ports_of_external_parts_are_not_checked(layout: StateDir, taken: int) -> None:
    elsewhere = Settings(broker_url="redis://elsewhere:6379/0")
    require_startable(layout, elsewhere, stack(layout, redis_port=taken))
    with pytest.raises(PortTaken):
        require_startable(layout, Settings(), stack(layout, redis_port=taken))


def test_an_account_without_a_name_is_an_error_with_a_remedy(layout: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1_234_567)
    with pytest.raises(AccountUnknown, match=r"user ID 1234567 .*>> /etc/passwd"):
        require_startable(layout, Settings(), stack(layout))
    require_startable(layout, Settings(database_url="postgresql+psycopg://elsewhere/x"), stack(layout))
    (layout.postgres_data).mkdir()
    (layout.postgres_data / "PG_VERSION").touch()  # PostgreSQL requires the name when it creates a cluster
    require_startable(layout, Settings(), stack(layout))


def test_root_needs_the_account_that_runs_postgresql(layout: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(preconditions, "ACCOUNT", "no-such-account")
    with pytest.raises(AccountUnknown, match="useradd"):
        require_startable(layout, Settings(), stack(layout))


def test_a_full_disk_is_reported_before_anything_is_written(layout: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(100, 100, 3 * 2**20))
    with pytest.raises(DiskFull, match="has 3 MiB free"):
        require_startable(layout, Settings(), stack(layout))


@pytest.mark.parametrize("where", ["file/state", "sys"])
def test_an_unwritable_state_directory_is_reported(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    root = Path("/proc/1/samfleet") if where == "sys" else tmp_path / where
    with pytest.raises(StateDirUnwritable, match="SAMFLEET_STATE_DIR"):
        StateDir(root).create()
