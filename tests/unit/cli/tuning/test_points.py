from __future__ import annotations

import pytest

from samfleet.config import Settings
from samfleet.labels import check_labels
from samfleet.variants.execution import Executions
from samfleet_cli.tuning.points import DEFAULT_IN_FLIGHT, Point, TunePointInvalid, doubling, points_of


@pytest.mark.parametrize(
    ("in_flight", "environment"),
    [(1, ("1", "1")), (3, ("3", "1")), (4, ("4", "1")), (8, ("4", "2")), (DEFAULT_IN_FLIGHT, ("4", "16"))],
)
def test_images_in_flight_are_spread_over_shards(in_flight: int, environment: tuple[str, str]) -> None:
    variables = Point("fp32", None, 8, in_flight).environment("mobile_sam")
    assert (variables["SAMFLEET_WORKER_CONCURRENCY"], variables["SAMFLEET_IMAGES_IN_FLIGHT"]) == environment


def test_the_default_is_that_of_the_settings() -> None:
    settings = Settings()
    assert settings.worker_concurrency * settings.images_in_flight == DEFAULT_IN_FLIGHT


@pytest.mark.parametrize("execution", ["fp32", "fp16+compile"])
def test_the_environment_is_read_by_the_settings(execution: str, monkeypatch: pytest.MonkeyPatch) -> None:
    point = Point(execution, 2, 4, 8)
    for name, value in point.environment("mobile_sam").items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    found = Executions.parse(point.environment("mobile_sam")["SAMFLEET_EXECUTION"], {"mobile_sam"})
    assert str(found.of("mobile_sam")) == execution
    assert (settings.max_batch_size, settings.worker_concurrency, settings.images_in_flight) == (4, 4, 2)
    assert check_labels(point.labels())["tune/execution"] == execution.replace("+", "-")


def test_words_and_keys_tell_points_apart() -> None:
    points = points_of(["fp32", "bf16"], [None, 1, 2], [1, 8], [1, 2, 64])
    assert len({point.words for point in points}) == len({point.key for point in points}) == len(points) == 36
    assert Point("fp32", 1, 8, 2).words == "fp32, 1 thread, batches of 8, 2 in flight"
    assert Point("bf16", None, 1, 4).words == "bf16, batches of 1, 4 in flight"


def test_the_largest_batches_and_the_fewest_images_in_flight_come_first() -> None:
    points = points_of(["fp32"], [None], {1, 8}, {4, 2})
    assert [(point.batch_size, point.in_flight) for point in points] == [(8, 2), (8, 4), (1, 2), (1, 4)]


def test_executions_come_before_threads_and_batches() -> None:
    points = points_of(["fp32", "bf16"], [None, 1], [1, 8], [4])
    assert [(point.execution, point.threads, point.batch_size) for point in points] == [
        ("fp32", None, 8),
        ("bf16", None, 8),
        ("fp32", None, 1),
        ("fp32", 1, 8),
        ("bf16", None, 1),
        ("bf16", 1, 8),
        ("fp32", 1, 1),
        ("bf16", 1, 1),
    ]


@pytest.mark.parametrize("values", [(None, 8, 6), (None, 8, 0), (0, 8, 4), (None, 0, 4), (None, 8, 66)])
def test_a_wrong_setting_is_refused(values: tuple[int | None, int, int]) -> None:
    with pytest.raises(TunePointInvalid):
        Point("fp32", *values)


@pytest.mark.parametrize(("most", "levels"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_levels_double(most: int, levels: list[int]) -> None:
    assert doubling(most) == levels
