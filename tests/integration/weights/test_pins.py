"""Weights without a published hash, companion files, and pages from which only people may download."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.models.weight_archives import WEIGHTS, Recorder, names, sha256
from fixtures.servers.file_server import FileServer, Served
from samfleet.errors import InvalidInput
from samfleet.variants.record import Checkpoint, HttpsSource, ManualSource, VariantRecord
from samfleet.variants.weights.pins import PINS_FILE, PinsUnreadable, WeightsUnpinned, read_pins, write_pin
from samfleet.variants.weights.pull import WeightsUnavailable, pull
from samfleet.variants.weights.verify import WeightsHashMismatch, verified_weights

OTHER = bytes(1000)


@pytest.fixture
def unpublished(record: VariantRecord) -> VariantRecord:
    return replace(record, checkpoint=replace(record.checkpoint, sha256=None, size_bytes=None))


def test_the_first_file_is_pinned_with_a_message(unpublished: VariantRecord, tmp_path: Path) -> None:
    progress = Recorder()
    assert pull(unpublished, tmp_path, progress=progress).read_bytes() == WEIGHTS
    assert progress.pins == {"tiny.pt": sha256(WEIGHTS)}
    assert json.loads((tmp_path / PINS_FILE).read_text()) == {"tiny.pt": sha256(WEIGHTS)}
    assert names(tmp_path) == {"tiny.pt", PINS_FILE, f".{PINS_FILE}.lock"}
    again = Recorder()
    pull(unpublished, tmp_path, progress=again)
    assert (again.pins, again.calls) == ({}, [])


def test_other_bytes_are_refused_with_a_remedy(unpublished: VariantRecord, served: Served, tmp_path: Path) -> None:
    path = pull(unpublished, tmp_path)
    path.unlink()
    served.data, served.etag = OTHER, '"v2"'
    with pytest.raises(WeightsHashMismatch, match=r"(?s)expected is .*add --replace to `samfleet variants import tiny"):
        pull(unpublished, tmp_path)
    assert read_pins(tmp_path) == {"tiny.pt": sha256(WEIGHTS)}
    assert not path.exists()


def test_a_changed_local_file_is_downloaded_again(unpublished: VariantRecord, tmp_path: Path) -> None:
    path = pull(unpublished, tmp_path)
    path.write_bytes(OTHER)
    with pytest.raises(WeightsHashMismatch):
        verified_weights(tmp_path, unpublished)
    assert pull(unpublished, tmp_path).read_bytes() == WEIGHTS


def test_a_local_file_without_a_pin_is_not_trusted(unpublished: VariantRecord, tmp_path: Path) -> None:
    (tmp_path / "tiny.pt").write_bytes(OTHER)
    with pytest.raises(WeightsUnpinned, match="samfleet variants import NAME FILE"):
        verified_weights(tmp_path, unpublished)
    assert pull(unpublished, tmp_path).read_bytes() == WEIGHTS


def test_a_file_that_does_not_fit_the_network_is_not_pinned(unpublished: VariantRecord, tmp_path: Path) -> None:
    seen = []

    def check(role: str, path: Path) -> None:
        seen.append((role, path.read_bytes() == WEIGHTS))
        raise InvalidInput("two keys are missing")

    with pytest.raises(InvalidInput, match="two keys are missing"):
        pull(unpublished, tmp_path, check=check)
    assert seen == [("network", True)]
    assert not (tmp_path / "tiny.pt").exists()
    assert read_pins(tmp_path) == {}


def test_a_web_page_is_refused(unpublished: VariantRecord, served: Served, tmp_path: Path) -> None:
    served.data, served.content_type = b"<html>sign in</html>", "text/html; charset=utf-8"
    with pytest.raises(WeightsUnavailable, match="the server sent a web page"):
        pull(unpublished, tmp_path)
    assert read_pins(tmp_path) == {}


def test_a_download_without_hash_and_validator_restarts(
    unpublished: VariantRecord, served: Served, file_server: FileServer, tmp_path: Path
) -> None:
    served.etag, served.cuts = None, [300_000, 0]
    with pytest.raises(WeightsUnavailable):
        pull(unpublished, tmp_path)
    assert pull(unpublished, tmp_path).read_bytes() == WEIGHTS
    assert file_server.ranges()[-1] is None


def test_companion_files_are_pulled_too(record: VariantRecord, file_server: FileServer, tmp_path: Path) -> None:
    file_server.files["/decoder.onnx"] = Served(OTHER)
    decoder = Checkpoint("decoder.onnx", None, None, (HttpsSource(f"{file_server.url}/decoder.onnx"),))
    both = replace(record, companions={"decoder": decoder})
    assert pull(both, tmp_path) == tmp_path / "tiny.pt"
    assert (tmp_path / "decoder.onnx").read_bytes() == OTHER
    assert read_pins(tmp_path) == {"decoder.onnx": sha256(OTHER)}
    assert verified_weights(tmp_path, both) == tmp_path / "tiny.pt"


def test_a_manual_download_page_is_named(unpublished: VariantRecord, tmp_path: Path) -> None:
    page = ManualSource("https://drive.example/view")
    with pytest.raises(WeightsUnavailable) as raised:
        pull(unpublished, tmp_path, sources=[page])
    assert "https://drive.example/view: this page is for people; download the file there" in raised.value.message
    assert "import it with `samfleet variants import tiny FILE`" in raised.value.message


def test_a_damaged_pin_table_is_not_treated_as_empty(unpublished: VariantRecord, tmp_path: Path) -> None:
    for text in ("{", "[1]"):
        (tmp_path / PINS_FILE).write_text(text)
        with pytest.raises(PinsUnreadable, match="import the weights that you trust again"):
            pull(unpublished, tmp_path)


def test_concurrent_processes_lose_no_pin(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.starmap(write_pin, [(tmp_path, f"{number}.pt", sha256(bytes(number))) for number in range(24)])
    assert read_pins(tmp_path) == {f"{number}.pt": sha256(bytes(number)) for number in range(24)}
