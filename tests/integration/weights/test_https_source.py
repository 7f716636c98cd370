from __future__ import annotations

import fcntl
import os
import socket
import sys
import threading
from pathlib import Path

import pytest

from fixtures.models.weight_archives import WEIGHTS, Recorder, names, sha256
from fixtures.servers.file_server import FileServer, Served
from fixtures.servers.small_disk import run_on_small_disk
from samfleet.variants.record import HttpsSource, VariantRecord
from samfleet.variants.weights.disk import WeightsFolderUnusable, WeightsNoSpace
from samfleet.variants.weights.pull import WeightsUnavailable, pull
from samfleet.variants.weights.verify import WeightsHashMismatch, WeightsMissing, verified_weights


def test_a_download_is_verified_and_stored(record: VariantRecord, tmp_path: Path) -> None:
    progress = Recorder()
    path = pull(record, tmp_path / "made" / "here", progress=progress)
    assert path == tmp_path / "made/here/tiny.pt"
    assert path.read_bytes() == WEIGHTS
    assert names(path.parent) == {"tiny.pt"}
    assert progress.calls == [("tiny.pt", len(WEIGHTS), 0)]
    assert progress.count == len(WEIGHTS)
    assert verified_weights(path.parent, record) == path


def test_present_weights_are_not_downloaded_again(
    record: VariantRecord, file_server: FileServer, tmp_path: Path
) -> None:
    pull(record, tmp_path)
    pull(record, tmp_path)
    assert len(file_server.requests) == 1


def test_a_wrong_file_in_place_is_replaced(record: VariantRecord, tmp_path: Path) -> None:
    (tmp_path / "tiny.pt").write_bytes(b"cut short")
    with pytest.raises(WeightsHashMismatch, match=f"{sha256(b'cut short')}, expected is {sha256(WEIGHTS)}"):
        verified_weights(tmp_path, record)
    assert pull(record, tmp_path).read_bytes() == WEIGHTS


def test_missing_weights_say_how_to_fetch_them(record: VariantRecord, tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="samfleet variants pull tiny"):
        verified_weights(tmp_path, record)


def test_a_wrong_hash_is_refused_and_removed(record: VariantRecord, served: Served, tmp_path: Path) -> None:
    served.data = bytes(len(WEIGHTS))
    with pytest.raises(WeightsHashMismatch) as raised:
        pull(record, tmp_path)
    assert sha256(served.data) in raised.value.message
    assert sha256(WEIGHTS) in raised.value.message
    assert names(tmp_path) == set()


def test_a_wrong_hash_is_reported_before_unreachable_sources(
    record: VariantRecord, served: Served, file_server: FileServer, tmp_path: Path
) -> None:
    served.data = bytes(len(WEIGHTS))
    sources = (*record.checkpoint.sources, HttpsSource(f"{file_server.url}/missing"))
    with pytest.raises(WeightsHashMismatch, match="404"):
        pull(record, tmp_path, sources=sources)


@pytest.mark.parametrize("length", [True, False])
def test_a_file_of_another_size_is_refused(
    record: VariantRecord, served: Served, tmp_path: Path, *, length: bool
) -> None:
    served.data, served.length = WEIGHTS + b"x", length
    with pytest.raises(WeightsUnavailable, match="expected"):
        pull(record, tmp_path)
    assert names(tmp_path) == set()


def test_the_next_source_is_used_if_a_file_is_missing(
    record: VariantRecord, file_server: FileServer, tmp_path: Path
) -> None:
    sources = (HttpsSource(f"{file_server.url}/missing"), *record.checkpoint.sources)
    assert pull(record, tmp_path, sources=sources).read_bytes() == WEIGHTS


def test_all_failures_are_reported_together(record: VariantRecord, file_server: FileServer, tmp_path: Path) -> None:
    file_server.files["/loop"] = Served(status=302, location="/loop")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/x"
        sources = [HttpsSource(url) for url in (f"{file_server.url}/missing", f"{file_server.url}/loop", closed)]
        sources += [HttpsSource("ftp://host/x"), HttpsSource("http://host:port/x")]
        with pytest.raises(WeightsUnavailable) as raised:
            pull(record, tmp_path, sources=sources)
    lines = raised.value.message.splitlines()
    reasons = ["404 Not Found", "redirects", "refused", "protocol", "Invalid port"]
    for line, source, reason in zip(lines[1:-1], sources, reasons, strict=True):
        assert line.startswith(f"  - {source.url}: ")
        assert reason in line
    assert sha256(WEIGHTS) in lines[-1]
    assert raised.value.retryable


def test_a_record_without_a_source_is_reported(record: VariantRecord, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="names no source"):
        pull(record, tmp_path, sources=())


def test_redirects_are_followed(record: VariantRecord, file_server: FileServer, tmp_path: Path) -> None:
    file_server.files["/moved"] = Served(status=302, location="/tiny.pt", etag=None)
    file_server.files["/tiny.pt"].cuts = [1000]
    assert pull(record, tmp_path, sources=[HttpsSource(f"{file_server.url}/moved")]).read_bytes() == WEIGHTS
    assert file_server.ranges() == [None, None, "bytes=1000-", "bytes=1000-"]


def test_too_little_space_is_reported_before_the_transfer(record: VariantRecord, tmp_path: Path) -> None:
    with pytest.raises(WeightsNoSpace, match=r"0\.5 MiB free and 1\.0 MiB are needed"):
        pull(record, tmp_path, free=lambda _: 500_000)
    assert names(tmp_path) == set()


FULL_DISK_PULL = """
import sys
from pathlib import Path
from fixtures.servers.small_disk import run_on_small_disk
from fixtures.models.weight_archives import record_with
from samfleet.variants.record import HttpsSource
from samfleet.variants.weights.disk import WeightsNoSpace
from samfleet.variants.weights.pull import pull

folder = Path(sys.argv[1])
try:
    pull(record_with(HttpsSource(sys.argv[2])), folder, free=lambda _: 10**9)
except WeightsNoSpace as error:
    print(error.message)
print([path.name for path in folder.iterdir() if path.name.endswith(".part")])
"""


def test_a_disk_that_fills_during_the_transfer_is_reported(
    record: VariantRecord, file_server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    message, parts = run_on_small_disk(FULL_DISK_PULL, tmp_path, 256, f"{file_server.url}/tiny.pt").splitlines()
    assert "the disk filled up" in message
    assert "No space left on device" in message
    assert parts == "[]"


def test_a_file_in_place_of_the_folder_is_reported(record: VariantRecord, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WeightsFolderUnusable, match="cannot be used"):
        pull(record, tmp_path / "file")


def test_a_second_pull_waits_for_the_first(record: VariantRecord, file_server: FileServer, tmp_path: Path) -> None:
    """A lock that this test holds replaces the first pull: the second sends no request until it is free, and then finds
    the file.
    """
    descriptor = os.open(tmp_path / ".tiny.pt.lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    second = threading.Thread(target=pull, args=(record, tmp_path))
    second.start()
    (tmp_path / "tiny.pt").write_bytes(WEIGHTS)
    os.close(descriptor)
    second.join(timeout=20)
    assert not second.is_alive()
    assert file_server.requests == []


def test_concurrent_pulls_download_once(record: VariantRecord, file_server: FileServer, tmp_path: Path) -> None:
    pulls = [threading.Thread(target=pull, args=(record, tmp_path)) for _ in range(4)]
    for thread in pulls:
        thread.start()
    for thread in pulls:
        thread.join()
    assert len(file_server.requests) == 1
    assert (tmp_path / "tiny.pt").read_bytes() == WEIGHTS
