from __future__ import annotations

import functools
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from fixtures.models.weight_archives import WEIGHTS, record_with, sha256
from fixtures.servers.file_server import FileServer, Served
from samfleet.errors import SamfleetError
from samfleet.variants.catalogue import COMPONENTS, VARIANTS, get_variant
from samfleet.variants.record import HttpsSource
from samfleet_cli.commands.variants import app
from samfleet_models.networks.registry import build_network


@pytest.fixture
def weights_dir(file_server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file_server.files["/tiny.pt"] = Served(WEIGHTS)
    monkeypatch.setitem(VARIANTS, "tiny", record_with(HttpsSource(f"{file_server.url}/tiny.pt")))
    monkeypatch.setenv("SAMFLEET_WEIGHTS_DIR", str(tmp_path / "weights"))
    return tmp_path / "weights"


@functools.cache
def fitting() -> bytes:
    """A checkpoint that fits MobileSAM's network."""
    buffer = io.BytesIO()
    torch.save(build_network(get_variant("mobile_sam")).state_dict(), buffer)
    return buffer.getvalue()


def run(*arguments: str, code: int = 0) -> str:
    outcome = CliRunner().invoke(app, list(arguments))
    assert outcome.exit_code == code, outcome.output
    return outcome.stdout if code == 0 else outcome.output


def present(listing: str) -> dict[str, bool]:
    return {row["name"]: row["present"] for row in json.loads(listing)}


def test_variants_are_listed_and_pulled(weights_dir: Path) -> None:
    assert present(run("list", "--json")) == dict.fromkeys([*VARIANTS, *COMPONENTS], False)
    assert run("pull", "tiny", "tiny") == f"tiny: {weights_dir / 'tiny.pt'}\n"
    assert present(run("list", "--json")) == dict.fromkeys([*VARIANTS, *COMPONENTS], False) | {"tiny": True}
    assert "Apache-2.0" in run("list")


def test_the_weights_dir_can_be_given(weights_dir: Path, tmp_path: Path) -> None:
    run("pull", "tiny", "--weights-dir", str(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere/tiny.pt").read_bytes() == WEIGHTS


def test_weights_are_in_the_state_folder_by_default(
    weights_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SAMFLEET_WEIGHTS_DIR")
    run("pull", "tiny", "--state-dir", str(tmp_path / "state"))
    assert (tmp_path / "state/weights/tiny.pt").exists()


def test_a_restricted_licence_is_accepted_by_name(weights_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIANTS, "tiny", replace(VARIANTS["tiny"], weights_licence="AGPL-3.0"))
    assert "AGPL-3.0: off" in run("list")
    assert "set SAMFLEET_ACCEPT_LICENSES=AGPL-3.0 [licence_not_accepted]" in run("pull", "tiny", code=1)
    assert not weights_dir.exists()
    assert "names GPL; the restricted licences" in run("pull", "tiny", "--accept-licenses", "GPL", code=2)
    monkeypatch.setenv("SAMFLEET_ACCEPT_LICENSES", "AGPL-3.0")
    run("pull", "tiny")
    assert "AGPL-3.0: off" not in run("list")


def test_a_file_without_a_published_hash_is_checked_by_shape_and_pinned_with_a_message(
    weights_dir: Path, file_server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = VARIANTS["tiny"]
    monkeypatch.setitem(
        VARIANTS,
        "mobile_sam",
        replace(tiny, name="mobile_sam", checkpoint=replace(tiny.checkpoint, sha256=None, size_bytes=None)),
    )
    refused = run("pull", "mobile_sam", code=1)
    assert "tiny.pt does not fit mobile_sam" in refused
    assert "[weights_do_not_fit]" in refused
    file_server.files["/tiny.pt"] = Served(fitting())
    output = CliRunner().invoke(app, ["pull", "mobile_sam"]).stderr
    assert "no hash of tiny.pt is published" in output
    assert "which is now pinned" in output
    (shown,) = json.loads(run("show", "mobile_sam", "--json"))["files"]
    assert (shown["sha256"], shown["published"], shown["present"]) == (sha256(fitting()), False, True)


def test_a_local_file_is_imported(weights_dir: Path, tmp_path: Path) -> None:
    weights_dir.mkdir()
    state = tmp_path / "mine.pt"
    state.write_bytes(WEIGHTS)
    outcome = CliRunner().invoke(app, ["import", "tiny", str(state)])
    assert isinstance(outcome.exception, SamfleetError)  # its hash is right, but it is not a checkpoint
    assert outcome.exception.code == "weights_do_not_fit"
    assert not (weights_dir / "tiny.pt").exists()


def test_an_unknown_variant_is_a_usage_error(weights_dir: Path) -> None:
    assert "known are " in run("pull", "tiny", "nope", code=2)
    assert not weights_dir.exists()


def test_a_failed_pull_does_not_stop_the_others(weights_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIANTS, "none", record_with())
    output = run("pull", "none", "tiny", code=1)
    assert "samfleet: the weights of tiny could not be fetched" in output
    assert (weights_dir / "tiny.pt").exists()
