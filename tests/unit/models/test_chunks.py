from __future__ import annotations

from pathlib import Path

import pytest
import torch

from samfleet_models.chunks import USUAL_CACHE_BYTES, in_chunks, largest_cache_bytes, memory_for_chunks


def spans(count: int, size: int, fits: int) -> tuple[list[tuple[int, int]], int]:
    """What was done, and how often memory was released, where only `fits` items fit."""
    released: list[None] = []

    def work(rows: slice) -> tuple[int, int]:
        if rows.stop - rows.start > fits:
            raise torch.OutOfMemoryError
        return rows.start, rows.stop

    return list(in_chunks(count, size, work, lambda: released.append(None))), len(released)


def test_chunks_cover_everything_once() -> None:
    assert spans(10, 4, fits=4) == ([(0, 4), (4, 8), (8, 10)], 0)
    assert spans(0, 4, fits=4) == ([], 0)


def test_out_of_memory_halves_the_chunk_for_good() -> None:
    done, released = spans(9, 8, fits=3)
    assert done == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 9)]
    assert released == 2


def test_a_single_item_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        spans(3, 2, fits=0)


def test_the_last_cache_decides(tmp_path: Path) -> None:
    assert largest_cache_bytes(tmp_path) == USUAL_CACHE_BYTES
    for index, size in enumerate(("48K\n", "1024K\n", "32M\n")):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(size)
    assert largest_cache_bytes(tmp_path) == 32 * 2**20
    assert memory_for_chunks(torch.device("cpu")) == largest_cache_bytes()
