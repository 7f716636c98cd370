from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.models.weight_archives import WEIGHTS, Recorder, names
from fixtures.servers.file_server import FileServer, Served
from samfleet.variants.record import HttpsSource, VariantRecord
from samfleet.variants.weights.pull import WeightsUnavailable, pull

HALF = 300_000


def interrupt(record: VariantRecord, served: Served, folder: Path) -> None:
    """Pull half of the file and then nothing, as when the network fails."""
    served.cuts = [HALF, 0]
    with pytest.raises(WeightsUnavailable, match=f"after {HALF} bytes; the next pull resumes"):
        pull(record, folder)
    assert not (folder / "tiny.pt").exists()
    served.cuts = []


def test_a_broken_connection_is_resumed_at_once(
    record: VariantRecord, served: Served, file_server: FileServer, tmp_path: Path
) -> None:
    served.cuts = [HALF, 1]
    assert pull(record, tmp_path).read_bytes() == WEIGHTS
    assert file_server.ranges() == [None, f"bytes={HALF}-", f"bytes={HALF + 1}-"]
    assert [headers.get("if-range") for _, headers in file_server.requests] == [None, '"v1"', '"v1"']


def test_the_next_pull_resumes_the_part(
    record: VariantRecord, served: Served, file_server: FileServer, tmp_path: Path
) -> None:
    interrupt(record, served, tmp_path)
    file_server.requests.clear()
    progress = Recorder()
    assert pull(record, tmp_path, progress=progress).read_bytes() == WEIGHTS
    assert file_server.ranges() == [f"bytes={HALF}-"]
    assert progress.calls == [("tiny.pt", len(WEIGHTS), HALF)]
    assert names(tmp_path) == {"tiny.pt"}


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_a_pull_resumes_without_a_strong_validator(
    record: VariantRecord, served: Served, file_server: FileServer, tmp_path: Path, etag: str | None
) -> None:
    served.etag = etag
    interrupt(record, served, tmp_path)
    file_server.requests.clear()
    assert pull(record, tmp_path).read_bytes() == WEIGHTS
    assert file_server.ranges() == [f"bytes={HALF}-"]


def test_without_a_validator_a_mixed_file_is_detected(
    record: VariantRecord, served: Served, file_server: FileServer, tmp_path: Path
) -> None:
    served.etag, served.data = None, bytes(len(WEIGHTS))
    interrupt(record, served, tmp_path)
    served.data = WEIGHTS
    file_server.requests.clear()
    assert pull(record, tmp_path).read_bytes() == WEIGHTS
    assert file_server.ranges() == [f"bytes={HALF}-", None]


def test_a_changed_file_is_downloaded_completely(
    record: VariantRecord, served: Served, file_server: FileServer, tmp_path: Path
) -> None:
    served.data = bytes(len(WEIGHTS))
    interrupt(record, served, tmp_path)
    served.data, served.etag = WEIGHTS, '"v2"'
    file_server.requests.clear()
    assert pull(record, tmp_path).read_bytes() == WEIGHTS
    assert file_server.ranges() == [f"bytes={HALF}-"]


def test_a_server_without_ranges_restarts_the_download(
    record: VariantRecord, served: Served, file_server: FileServer, tmp_path: Path
) -> None:
    interrupt(record, served, tmp_path)
    served.ranges = False
    file_server.requests.clear()
    assert pull(record, tmp_path).read_bytes() == WEIGHTS
    assert file_server.ranges() == [f"bytes={HALF}-"]


def test_a_part_of_unknown_origin_is_not_used(
    record: VariantRecord, served: Served, file_server: FileServer, tmp_path: Path
) -> None:
    interrupt(record, served, tmp_path)
    (origin,) = tmp_path.glob(".*.part.json")
    origin.write_text("{")
    file_server.requests.clear()
    assert pull(record, tmp_path).read_bytes() == WEIGHTS
    assert file_server.ranges() == [None]


def test_a_complete_part_is_not_downloaded_again(
    record: VariantRecord, served: Served, file_server: FileServer, tmp_path: Path
) -> None:
    interrupt(record, served, tmp_path)
    (part,) = tmp_path.glob(".*.part")
    part.write_bytes(WEIGHTS)
    file_server.requests.clear()
    assert pull(record, tmp_path).read_bytes() == WEIGHTS
    assert file_server.requests == []


def test_two_sources_never_share_a_part(
    record: VariantRecord, served: Served, file_server: FileServer, tmp_path: Path
) -> None:
    served.data = bytes(len(WEIGHTS))
    interrupt(record, served, tmp_path)
    file_server.files["/tiny.pt"] = Served(status=503)
    file_server.files["/mirror/tiny.pt"] = Served(WEIGHTS)
    file_server.requests.clear()
    sources = (*record.checkpoint.sources, HttpsSource(f"{file_server.url}/mirror/tiny.pt"))
    assert pull(record, tmp_path, sources=sources).read_bytes() == WEIGHTS
    assert [path for path, _ in file_server.requests] == ["/tiny.pt", "/mirror/tiny.pt"]
    assert file_server.ranges()[-1] is None
    assert names(tmp_path) == {"tiny.pt"}


def test_only_the_remaining_bytes_need_space(record: VariantRecord, served: Served, tmp_path: Path) -> None:
    interrupt(record, served, tmp_path)
    assert pull(record, tmp_path, free=lambda _: len(WEIGHTS) - HALF).read_bytes() == WEIGHTS


@pytest.mark.parametrize("status", [404, 503])
def test_a_part_survives_server_errors(
    record: VariantRecord, served: Served, file_server: FileServer, tmp_path: Path, status: int
) -> None:
    interrupt(record, served, tmp_path)
    served.status = status
    with pytest.raises(WeightsUnavailable, match=str(status)):
        pull(record, tmp_path)
    served.status = 200
    file_server.requests.clear()
    assert pull(record, tmp_path).read_bytes() == WEIGHTS
    assert file_server.ranges() == [f"bytes={HALF}-"]


def test_a_part_longer_than_the_file_is_discarded(
    record: VariantRecord, served: Served, file_server: FileServer, tmp_path: Path
) -> None:
    interrupt(record, served, tmp_path)
    (part,) = tmp_path.glob(".*.part")
    part.write_bytes(WEIGHTS + b"x")
    file_server.requests.clear()
    assert pull(record, tmp_path).read_bytes() == WEIGHTS
    assert file_server.ranges() == [f"bytes={len(WEIGHTS) + 1}-", None]
