from __future__ import annotations

import itertools
from typing import Any

import pytest

from samfleet_api.job_reports.charts import BAR_WIDTH, HEIGHT, LEFT, WIDTH, scatter, stage_bars
from samfleet_api.job_reports.measurements import Measured


def point(variant: str, rate: float, miou: float, *, dominated: bool = False) -> dict[str, Any]:
    machine = {"hardware": "NVIDIA L4", "hardware_id": "1"}
    return {"variant": variant, **machine, "images_per_gpu_hour": rate, "miou": miou, "dominated": dominated}


def test_points_are_placed_by_quality_and_speed_and_the_front_is_joined_in_steps() -> None:
    drawn = scatter([point("a", 100, 0.8), point("b", 10_000, 0.7), point("c", 90, 0.6, dominated=True)])
    assert drawn is not None
    a, b, c = drawn.points
    assert LEFT < c.x < a.x < b.x < WIDTH
    assert 0 < a.y < b.y < c.y < HEIGHT
    assert drawn.front == f"{a.x:.1f},{a.y:.1f} {a.x:.1f},{b.y:.1f} {b.x:.1f},{b.y:.1f}"
    assert "mIoU 0.700, 10,000 images per device hour" in b.words


def test_names_of_close_points_do_not_cover_each_other() -> None:
    drawn = scatter([point(str(number), 100, 0.7 + number / 10_000) for number in range(8)])
    assert drawn is not None
    places = sorted(one.label_y for one in drawn.points)
    assert all(after - before >= 13 for before, after in itertools.pairwise(places))


@pytest.mark.parametrize("rate", [0.3, 100.0, 1e6])
def test_one_point_has_axes_with_ticks(rate: float) -> None:
    drawn = scatter([point("a", rate, 1.0)])
    assert drawn is not None
    assert len(drawn.across) >= 2
    assert drawn.up


def test_there_is_no_chart_without_points() -> None:
    assert scatter([]) is None


def test_bars_are_proportional_to_mean_times() -> None:
    def row(variant: str, encode: float, decode: float) -> Measured:
        times = {name: {"n": 3, "mean_ms": ms} for name, ms in (("encode", encode), ("decode", decode))}
        return Measured(
            variant, "A CPU", "1", "everything", "ab", times={**times, "queue": {"n": 3, "mean_ms": 9000.0}}
        )

    first, second = stage_bars([row("a", 1500.0, 500.0), row("b", 100.0, 100.0)])
    assert [(name, start, length) for name, start, length, _ in first.parts] == [
        ("encode", 0.0, 0.75 * BAR_WIDTH),
        ("decode", 0.75 * BAR_WIDTH, 0.25 * BAR_WIDTH),
    ]
    assert second.end == pytest.approx(BAR_WIDTH / 10)
    assert (first.total, second.total) == ("2 s", "0.2 s")
