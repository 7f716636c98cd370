"""Export files of sites are either read as they were written or refused completely."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from samfleet.db.models import Rollup, RunQuality, SeriesQuality
from samfleet.sites.export import FIGURE_COLUMNS, ROLLUP_COLUMNS
from samfleet.sites.key import SiteKey
from samfleet.sites.lines import FigureLine, HardwareLine, Header, RollupLine, Signature
from samfleet.sites.parse import (
    SiteFileDamaged,
    SiteFileTooLarge,
    SiteFileTooNew,
    SiteSignatureInvalid,
    read_content,
    verify,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MOST = 2**20
REFUSED = (SiteFileDamaged, SiteFileTooNew, SiteSignatureInvalid, SiteFileTooLarge)


KEY = SiteKey(Ed25519PrivateKey.from_private_bytes(bytes(32)))
ROLLUP = RollupLine(
    series=1, stage="encode", hour=NOW, batch_class=8, warmup=False, n=40, failures=1, sum_ms=81.25, first_bucket=30,
    counts=[1, 0, 39], started_at=NOW, ended_at=NOW, instances=0, energy_j=0.0, energy_images=0, iou_sum=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def content() -> bytes:
    header = Header(site="lab", public_key=KEY.public, exported_at=NOW, code_version="0.1.0")
    figure = FigureLine(series=1, metric="ap", area="all", max_detections=100, value=0.5, instances=7)
    lines = (header, HardwareLine(fingerprint_sha256="0" * 64, facts={"device_name": "H200"}), ROLLUP, figure)
    written = b"".join(line.model_dump_json().encode() + b"\n" for line in lines)
    digest = hashlib.sha256(written)
    end = Signature(sha256=digest.hexdigest(), signature=KEY.sign(digest.digest()))
    return written + end.model_dump_json().encode() + b"\n"


def read(data: bytes) -> list[str]:
    """Return every line of a file that passes verification, as it was written."""
    file = io.BytesIO(data)
    header = verify(file, MOST)
    return [header.model_dump_json(), *(line.model_dump_json() for line in read_content(file, MOST))]


def packed(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize("pack", [packed, bytes, gzip.compress])
def test_an_intact_file_is_read_as_it_was_written(content: bytes, pack: type[bytes]) -> None:
    assert read(pack(content)) == [line.decode() for line in content.splitlines()[:-1]]


def test_every_changed_byte_is_detected(content: bytes) -> None:
    """The file is not compressed, so only the signature protects it."""
    for at in range(len(content)):
        for flipped in (1, 0x20, 0x80):
            damaged = content[:at] + bytes([content[at] ^ flipped]) + content[at + 1 :]
            with pytest.raises(REFUSED):
                read(damaged)


def test_every_changed_byte_of_a_compressed_file_is_detected_or_has_no_effect(content: bytes) -> None:
    """Gzip's header has a time and a system, and the last byte of its data has unused bits."""
    whole, lines, taken = packed(content), read(content), 0
    for at in range(len(whole)):
        for flipped in (1, 0x20, 0x80):
            damaged = whole[:at] + bytes([whole[at] ^ flipped]) + whole[at + 1 :]
            try:
                assert read(damaged) == lines
                taken += 1
            except REFUSED:
                continue
    assert taken < 3 * 12


@pytest.mark.parametrize("pack", [packed, bytes])
def test_every_truncation_is_detected(content: bytes, pack: type[bytes]) -> None:
    whole = pack(content)
    for length in range(len(whole)):
        with pytest.raises(SiteFileDamaged):
            read(whole[:length])


@pytest.mark.parametrize("pack", [packed, bytes])
def test_trailing_data_is_detected(content: bytes, pack: type[bytes]) -> None:
    for more in (b"x", b"\n", content, packed(content)):
        with pytest.raises(REFUSED):
            read(pack(content) + more)


def test_moved_dropped_and_duplicated_lines_are_detected(content: bytes) -> None:
    *lines, end = content.splitlines(keepends=True)
    for at in range(len(lines)):
        for changed in (lines[:at] + lines[at + 1 :], [*lines, lines[at]], [lines[at], *lines]):
            with pytest.raises(SiteFileDamaged):
                read(b"".join(changed) + end)


def test_random_bytes_are_refused() -> None:
    noise = random.Random(5)
    for _ in range(200):
        data = noise.randbytes(noise.randrange(400))
        for begin in (b"", b"\x1f\x8b\x08\x00", b'{"format": "samfleet-measurements", "version": 1}\n'):
            with pytest.raises(REFUSED):
                read(begin + data)


IMPOSSIBLE = (
    {"n": 2**53},  # a thousand of these exceed the range of PostgreSQL and numpy
    {"failures": 2**31},
    {"started_at": NOW + timedelta(seconds=1)},
    {"instances": 3, "iou_sum": 3.1},
    {"ended_at": None, "started_at": NOW},
)


@pytest.mark.parametrize("change", IMPOSSIBLE)
def test_impossible_figures_are_refused(change: dict[str, Any]) -> None:
    """Such figures would give negative times and rates, mIoU above 1, or an internal error in reports."""
    possible = ROLLUP.model_dump() | {"instances": 3, "iou_sum": 3.0, "started_at": NOW}
    RollupLine.model_validate(possible)
    with pytest.raises(ValidationError):
        RollupLine.model_validate(possible | change)


def test_an_endless_line_takes_no_memory(content: bytes) -> None:
    with pytest.raises(SiteFileDamaged):
        verify(io.BytesIO(gzip.compress(b"[" * 2**22)), 2**30)
    with pytest.raises(SiteFileTooLarge):
        verify(io.BytesIO(gzip.compress(content * 100)), len(content))


def test_every_stored_column_of_a_run_is_exported() -> None:
    """A new column must be added to the lines of the file too."""
    kept = {column.name for column in Rollup.__table__.columns if column.computed is None}
    assert set(ROLLUP_COLUMNS) == kept - {"series_id"}
    for model, owner in ((RunQuality, "run_id"), (SeriesQuality, "series_id")):
        assert set(FIGURE_COLUMNS) == {column.name for column in model.__table__.columns} - {owner}
