from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from samfleet.client import Client
from samfleet.client.address import ApiKeyMissing, StackNotRunning, address_of_stack, find_api
from samfleet.process_identity import ProcessIdentity, identify
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.lock import supervise
from samfleet_cli.local_stack.state import StackInfo, StackState, write_state

INFO = {"database_url": "", "broker_url": "", "storage_url": "", "pools": {}}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SAMFLEET_API_URL", "SAMFLEET_API_KEY", "SAMFLEET_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def start(root: Path, supervisor: ProcessIdentity) -> None:
    """Write the state file as `samfleet up` does."""
    info = StackInfo(state_dir=root, api_url="http://127.0.0.1:8123", api_key="secret", **INFO)  # type: ignore[arg-type]
    write_state(StateDir(root).state_file, StackState(supervisor, info, {}, []))


def test_arguments_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMFLEET_API_URL", "http://other.test")
    monkeypatch.setenv("SAMFLEET_API_KEY", "other")
    assert find_api("http://api.test", "mine") == ("http://api.test", "mine")
    assert find_api(None, "mine") == ("http://other.test", "mine")
    assert find_api("http://api.test") == ("http://api.test", "other")
    assert find_api() == ("http://other.test", "other")


def test_a_url_without_a_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ApiKeyMissing, match="SAMFLEET_API_KEY"):
        find_api("http://api.test")
    monkeypatch.setenv("SAMFLEET_API_KEY", "")
    with pytest.raises(ApiKeyMissing):
        Client("http://api.test")


def test_a_running_stack_is_found_in_the_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / ".samfleet"
    root.mkdir()
    with supervise(StateDir(root).lock_file) as supervisor:
        start(root, supervisor)
        assert find_api() == ("http://127.0.0.1:8123", "secret")
        monkeypatch.chdir("/")
        monkeypatch.setenv("SAMFLEET_STATE_DIR", str(root))
        assert find_api() == ("http://127.0.0.1:8123", "secret")
        monkeypatch.setenv("SAMFLEET_STATE_DIR", "/nowhere")
        with Client(state_dir=root) as client:
            assert client.api_url == "http://127.0.0.1:8123"
    with pytest.raises(StackNotRunning, match="samfleet up"):
        find_api(state_dir=root)


def test_a_stack_whose_supervisor_died_is_not_used(tmp_path: Path) -> None:
    alive = identify(os.getpid())
    assert alive
    dead = replace(alive, start_ticks=alive.start_ticks + 1)
    start(tmp_path, dead)
    StateDir(tmp_path).lock_file.write_text(json.dumps(asdict(dead)))
    assert address_of_stack(tmp_path) is None
    StateDir(tmp_path).lock_file.write_text(json.dumps(asdict(alive)))  # another one runs, but has no address yet
    assert address_of_stack(tmp_path) is None


@pytest.mark.parametrize("lock", ["", "{"])
def test_a_damaged_state_directory_counts_as_no_stack(lock: str, tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(lock)
    with pytest.raises(StackNotRunning, match=str(tmp_path)):
        find_api(state_dir=tmp_path)


def test_a_file_in_place_of_the_state_directory_counts_as_no_stack(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackNotRunning):
        find_api(state_dir=tmp_path / "file")
