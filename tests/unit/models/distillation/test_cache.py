from __future__ import annotations

import errno
from pathlib import Path

import pytest

from samfleet_models.distillation.cache import (
    CHECKSUM_BYTES,
    AnswerCache,
    DistillNoSpace,
    check_disk,
    full_disk,
    key_of,
)


def refuse() -> bytes:
    raise AssertionError("the answer should be in the cache")


def test_an_answer_is_made_once(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path, 1000)
    assert cache.get("key", lambda: b"answer") == b"answer"
    assert cache.get("key", refuse) == b"answer"
    again = AnswerCache(tmp_path, 1000)
    assert again.get("key", refuse) == b"answer"
    assert again.used_bytes == cache.used_bytes == CHECKSUM_BYTES + 6


def test_answers_beyond_the_bound_are_not_stored(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path, CHECKSUM_BYTES + 6)
    cache.get("first", lambda: b"answer")
    assert cache.get("second", lambda: b"other") == b"other"
    assert cache.get("second", lambda: b"made again") == b"made again"
    assert cache.get("first", refuse) == b"answer"


def test_a_damaged_answer_is_made_again(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path, 1000)
    cache.get("key", lambda: b"answer")
    (path,) = tmp_path.glob("*/*.bin")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert cache.get("key", lambda: b"answer") == b"answer"
    assert cache.get("key", refuse) == b"answer"
    assert cache.used_bytes == CHECKSUM_BYTES + 6


def test_keys_tell_their_parts_apart() -> None:
    assert len({key_of("a", "bc"), key_of("ab", "c"), key_of("a", "b", "c")}) == 3


def test_too_little_disk_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    check_disk(tmp_path, 10, lambda _: 10)
    with pytest.raises(DistillNoSpace, match="has 1 MiB free and the distillation needs 2 MiB"):
        check_disk(tmp_path, 2 * 2**20, lambda _: 2**20)


def test_a_disk_that_fills_up_leaves_no_part(tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(b"half")
    with pytest.raises(DistillNoSpace, match="the disk filled up"), full_disk(part):
        raise OSError(errno.ENOSPC, "full")
    assert not part.exists()
    with pytest.raises(PermissionError), full_disk(part):
        raise PermissionError(errno.EACCES, "closed")
