from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from samfleet.client.address import ApiKeyMissing, StackNotRunning
from samfleet.variants.catalogue import VariantNotFound
from samfleet_cli.connection import (
    ApiChoice,
    _ended_by_signals,
    choose_api,
    connect,
    connect_or_start,
    prepare,
)


def test_an_explicit_api_url_is_used_as_given(tmp_path: Path) -> None:
    told: list[str] = []
    with connect_or_start(ApiChoice("http://api.test/", "key", tmp_path), told.append) as connection:
        assert connection.client.api_url == "http://api.test"
        assert not connection.temporary
    assert told == []


def test_an_explicit_api_url_needs_a_key(tmp_path: Path) -> None:
    with pytest.raises(ApiKeyMissing, match="SAMFLEET_API_KEY"), connect(ApiChoice("http://api.test", None, tmp_path)):
        pass


def test_a_missing_api_and_stack_is_an_error_that_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(StackNotRunning, match="samfleet up"), connect(ApiChoice(None, None, tmp_path / "none")):
        pass


def test_commands_use_the_state_directory_of_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert choose_api(None, None).state_dir == Path(".samfleet")
    monkeypatch.setenv("SAMFLEET_STATE_DIR", str(tmp_path))
    assert choose_api(None, None).state_dir == tmp_path
    monkeypatch.setenv("SAMFLEET_STATE_DIR", "")
    assert choose_api(None, None).state_dir == Path(".samfleet")


def test_a_connection_imports_only_the_client() -> None:
    start_only = ("numpy", "cryptography", "pydantic_settings", "samfleet.config", "samfleet_models")
    program = f"import sys, samfleet_cli.connection; print([name for name in {start_only!r} if name in sys.modules])"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


def test_an_unknown_variant_is_refused_before_a_stack_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMFLEET_STATE_DIR", str(tmp_path / "none"))
    with pytest.raises(VariantNotFound, match="mobile_sam"):
        prepare(choose_api(None, None), ("no_such_sam",))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_exits_with_its_code_and_restores_the_handler(number: signal.Signals) -> None:
    former = signal.getsignal(number)
    with pytest.raises(SystemExit) as ended, _ended_by_signals():
        signal.raise_signal(number)
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) is former
