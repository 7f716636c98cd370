from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from samfleet.client.image_schemas import ImageResult
from samfleet_cli.tuning.rounds import Rounds


def mask(left: int, right: int) -> dict[str, Any]:
    bits = np.zeros((40, 100), dtype=np.uint8, order="F")
    bits[5:35, left:right] = 1
    segmentation = {"size": [40, 100], "counts": coco_mask.encode(bits)["counts"].decode()}
    box = [left, 5, right - left, 30]
    scores = {"predicted_iou": 0.9, "stability_score": 0.95}
    return {"segmentation": segmentation, "area": int(bits.sum()), "bbox": box, **scores}


def image(image_id: int, round_trip_ms: float | None = 100.0, *masks: dict[str, Any], **more: Any) -> ImageResult:
    values = {
        "image_id": image_id,
        "file_name": f"{image_id}.png",
        "outcome": "succeeded",
        "stages": {"fetch": {"ms": 2.0}, "encode": {"ms": 5.0, "batch_ms": 10.0}},
        "masks": masks or (mask(10, 60),),
        "round_trip_ms": round_trip_ms,
        "batch_size": 2,
        "warmup": False,
        "peak_memory_bytes": 1000,
    }
    return ImageResult.model_validate({**values, **more})


def test_latency_is_the_round_trip_with_the_fetch_and_without_the_warm_up() -> None:
    rounds = Rounds()
    rounds.add([image(1, 5000.0, warmup=True), image(2, 100.0), image(3, 200.0)], 4.0)
    figures = rounds.figures()
    assert figures is not None
    assert (figures.images, figures.p50_ms) == (2, 152.0)
    assert figures.p95_ms == pytest.approx(197.0)
    assert (figures.images_per_second, figures.largest_batch, figures.memory_bytes) == (4.0, 2, 1000)


def test_rounds_weigh_by_their_time() -> None:
    rounds = Rounds()
    rounds.add([image(1), image(2)], 2.0)  # one second
    rounds.add([image(1), image(2)], 2 / 3)  # three seconds
    figures = rounds.figures()
    assert figures is not None
    assert figures.images_per_second == pytest.approx(1.0)


def test_images_of_the_warm_up_alone_give_no_figures() -> None:
    rounds = Rounds()
    rounds.add([image(1, warmup=True), image(2, None)], 1.0)
    assert rounds.figures() is None


def test_the_baseline_agrees_with_itself_and_others_are_compared_with_it() -> None:
    baseline = Rounds()
    baseline.add([image(1, 100.0, mask(10, 60), mask(70, 90)), image(2)], 1.0)
    figures = baseline.figures()
    assert figures is not None
    assert (figures.agreement, figures.same_masks) == (1.0, True)
    other = Rounds(baseline.reference)
    other.add([image(1, 100.0, mask(70, 90), mask(10, 60)), image(2)], 1.0)  # in another order
    figures = other.figures()
    assert figures is not None
    assert (figures.agreement, figures.same_masks) == (1.0, True)
    other.add([image(1, 100.0, mask(10, 61), mask(20, 30)), image(2)], 1.0)
    figures = other.figures()
    assert figures is not None
    assert figures.agreement == pytest.approx(5 / 6)  # (10, 61) counts, (20, 30) does not
    assert not figures.same_masks


def test_an_image_that_the_baseline_failed_at_has_no_agreeing_masks() -> None:
    other = Rounds({1: []})
    other.add([image(1)], 1.0)
    figures = other.figures()
    assert figures is not None
    assert (figures.agreement, figures.same_masks) == (0.0, False)


@pytest.mark.parametrize(("energies", "mean"), [([2.0, 4.0], 3.0), ([2.0, None], None), ([0.0, 0.0], 0.0)])
def test_energy_is_known_if_all_images_have_it(energies: list[float | None], mean: float | None) -> None:
    rounds = Rounds()
    rounds.add([image(number, energy_j=energy) for number, energy in enumerate(energies)], 1.0)
    figures = rounds.figures()
    assert figures is not None
    assert figures.energy_j == mean


def test_on_a_gpu_memory_is_what_torch_reserved() -> None:
    rounds = Rounds()
    rounds.add([image(1, peak_reserved_bytes=4000), image(2, peak_reserved_bytes=3000)], 1.0)
    figures = rounds.figures()
    assert figures is not None
    assert figures.memory_bytes == 4000
