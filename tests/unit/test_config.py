from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from samfleet.config import Settings


@pytest.mark.parametrize("text", ["a=h:1,h:2; b=i:3", '{"a": ["h:1", "h:2"], "b": ["i:3"]}'])
def test_pools_have_a_short_form_and_a_json_form(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SAMFLEET_POOLS", text)
    assert Settings().pools == {"a": ("h:1", "h:2"), "b": ("i:3",)}


@pytest.mark.parametrize("text", ["a", "=h:1", "a="])
def test_pools_without_a_name_or_a_server_are_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SAMFLEET_POOLS", text)
    with pytest.raises(ValidationError, match="name=host:port"):
        Settings()


def test_roots_are_separated_like_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMFLEET_DATASET_ROOTS", "/photos:/more")
    assert Settings().dataset_roots == (Path("/photos"), Path("/more"))


@pytest.mark.parametrize(("text", "seconds"), [("20", 20), ("0.5", 0.5), ("PT20S", 20), ("00:00:20", 20)])
def test_durations_are_seconds_or_iso_8601(monkeypatch: pytest.MonkeyPatch, text: str, seconds: float) -> None:
    monkeypatch.setenv("SAMFLEET_LEASE", text)
    assert Settings().lease == timedelta(seconds=seconds)


def test_a_short_bootstrap_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMFLEET_BOOTSTRAP_API_KEY", "secret")
    with pytest.raises(ValidationError, match="24 or more"):
        Settings()


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMFLEET_LOADED_VARIANTS", "")
    monkeypatch.setenv("SAMFLEET_SHARD_SIZE", "")
    settings = Settings()
    assert (settings.loaded_variants, settings.shard_size) == (None, 384)


@pytest.mark.parametrize("scheme", ["tcp", "udp", "sctp"])
def test_an_address_of_a_kubernetes_service_is_not_taken_as_a_port(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("SAMFLEET_METRICS_PORT", f"{scheme}://10.96.0.12:9400")
    assert Settings().metrics_port is None


def test_other_ports_that_are_not_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMFLEET_METRICS_PORT", "http://10.96.0.12:9400")
    with pytest.raises(ValidationError, match="metrics_port"):
        Settings()
