from __future__ import annotations

import gzip
import io

import pytest
import zstandard

from samfleet_api.runs.encoding import Coding, choose_coding, encoded


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip", "gzip"),
        ("GZIP;Q=0.5", "gzip"),
        ("zstd;q=0.5, gzip", "gzip"),
        ("*", "zstd"),
        ("*, zstd;q=0", "gzip"),
        ("zstd;q=0, gzip;q=0", "identity"),
        ("gzip;q=0.2, identity;q=0.7", "identity"),
        ("gzip;q=much", "identity"),
        ("br", "identity"),
    ],
)
def test_the_coding_follows_accept_encoding(accepted: str | None, chosen: str) -> None:
    assert choose_coding(accepted).value == chosen


def test_a_stream_is_one_frame_in_each_coding() -> None:
    chunks = [b"one ", b"", b"two" * 100_000]
    plain = b"".join(chunks)
    assert b"".join(encoded(iter(chunks), Coding.IDENTITY)) == plain
    assert gzip.decompress(b"".join(encoded(iter(chunks), Coding.GZIP))) == plain
    packed = io.BytesIO(b"".join(encoded(iter(chunks), Coding.ZSTD)))
    with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=False) as reader:
        assert reader.read() == plain
