from __future__ import annotations

import pytest

from benchmarks.streams import busy_share, stream
from fixtures.images.encoded_images import bright_square
from fixtures.models.tiny_variant import tiny, tiny_engine
from samfleet_models.serving.engine import Engine

__all__ = ["tiny", "tiny_engine"]


@pytest.mark.parametrize(
    ("intervals", "share"),
    [
        ([], 0.0),
        ([(0, 10)], 1.0),
        ([(0, 4), (6, 10)], 0.8),
        ([(6, 10), (0, 4), (1, 3), (2, 5)], 0.9),
        ([(5, 5)], 0.0),
    ],
)
def test_overlapping_work_counts_once(intervals: list[tuple[float, float]], share: float) -> None:
    assert busy_share(intervals) == pytest.approx(share)


def test_a_stream_repeats_the_images(tiny_engine: Engine) -> None:
    found = stream(tiny_engine, [bright_square(40, 30), bright_square(20, 20)], per_side=2, count=5)
    assert found.images == 5
    assert found.seconds > 0
    assert found.idle_share is None
