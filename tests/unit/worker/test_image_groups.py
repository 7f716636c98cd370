from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from samfleet.jobs.outcomes import ShardImage
from samfleet.wire.messages import ImageReport
from samfleet_worker.image_groups import GROUP_MS, MOST_BYTES, MOST_IMAGES, ImageGroups


def images(count: int, size_bytes: int = 10) -> list[ShardImage]:
    return [ShardImage(number, number, f"{number}.png", f"store:{number}", size_bytes) for number in range(count)]


def batch_of(images: int, execute_ms: float, *, warmup: bool = False) -> ImageReport:
    return ImageReport(batch_size=images, execute_ms=execute_ms, warmup=warmup)


def numbers(group: Sequence[ShardImage]) -> list[int]:
    return [image.dataset_image_id for image in group]


def sizes(groups: ImageGroups, report: ImageReport) -> list[int]:
    """Return the sizes of all groups, if each has this report."""
    found = []
    while group := groups.take():
        found.append(len(group))
        groups.heard(report)
    return found


def test_images_are_taken_once_and_in_order() -> None:
    groups = ImageGroups(images(40), most=8)
    taken: list[int] = []
    while group := groups.take():
        taken += numbers(group)
        groups.heard(batch_of(1, 1.0))
    assert taken == list(range(40))
    assert groups.take() == []


def test_groups_of_a_quick_variant_double_up_to_the_batch() -> None:
    assert sizes(ImageGroups(images(40), most=8), batch_of(8, 8.0)) == [1, 2, 4, 8, 8, 8, 8, 1]
    assert max(sizes(ImageGroups(images(200), most=64), batch_of(1, 0.5))) == MOST_IMAGES


@pytest.mark.parametrize(
    ("report", "size"),
    [
        (batch_of(1, GROUP_MS / 5), 5),
        (batch_of(8, GROUP_MS), 8),
        (batch_of(1, GROUP_MS), 1),
        (batch_of(1, 100 * GROUP_MS), 1),
        (batch_of(1, 0.0), MOST_IMAGES),
    ],
)
def test_a_group_has_what_triton_does_in_a_while(report: ImageReport, size: int) -> None:
    assert max(sizes(ImageGroups(images(200), most=64), report)) == size


def test_a_variant_that_becomes_slow_has_single_images_at_once() -> None:
    groups = ImageGroups(images(60), most=8)
    for _ in range(4):
        groups.take()
        groups.heard(batch_of(8, 8.0))
    groups.heard(batch_of(8, 8000.0))
    assert len(groups.take()) == 1


@pytest.mark.parametrize(
    "report", [batch_of(1, 1.0, warmup=True), ImageReport(execute_ms=1.0, error_code="image_unreadable")]
)
def test_times_without_the_usual_work_say_nothing(report: ImageReport) -> None:
    assert sizes(ImageGroups(images(5), most=8), report) == [1] * 5


def test_a_group_is_bounded_by_its_bytes() -> None:
    third = sizes(ImageGroups(images(9, MOST_BYTES // 3), most=8), batch_of(1, 1.0))
    assert third == [1, 2, 3, 3]
    assert sizes(ImageGroups(images(3, 2 * MOST_BYTES), most=8), batch_of(1, 1.0)) == [1, 1, 1]


def test_no_image_is_left_after_closing() -> None:
    groups = ImageGroups(images(10), most=1)
    assert numbers(groups.take()) == [0]
    groups.close()
    assert groups.take() == []


def test_threads_share_the_images() -> None:
    groups = ImageGroups(images(1000), most=8)

    def work(_thread: int) -> list[int]:
        taken: list[int] = []
        while group := groups.take():
            taken += numbers(group)
            groups.heard(batch_of(1, 1.0))
        return taken

    with ThreadPoolExecutor(4) as threads:
        taken = [number for part in threads.map(work, range(4)) for number in part]
    assert sorted(taken) == list(range(1000))
