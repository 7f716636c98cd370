from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, wait
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch

from fixtures.models.devices import device
from fixtures.models.stand_in_gpu import GPU, StandInGpu
from samfleet.masks.rle import decode_mask
from samfleet.masks.runs import packed_bytes
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.postprocess import masks, threshold
from samfleet_models.postprocess.masks import CropPlacement, EncodedMasks, Selection, encode_masks, mask_boxes
from samfleet_models.postprocess.threshold import Drawn, DrawnOnDevice, draw_whole, stability_scores
from samfleet_models.postprocess.upsample import upscale

__all__ = ["device"]

FRAME = ImageFrame.of(30, 40, 64)


def random_logits(count: int) -> torch.Tensor:
    return torch.randn(count, 16, 16, generator=torch.Generator().manual_seed(0)) * 3


def test_boxes_have_inclusive_maxima_and_are_zero_for_empty_masks() -> None:
    masks = torch.zeros(3, 5, 7, dtype=torch.bool)
    masks[0, 1:3, 2:6] = True
    masks[2, 4, 6] = True
    assert mask_boxes(masks).tolist() == [[2, 1, 5, 2], [0, 0, 0, 0], [6, 4, 6, 4]]


def test_stability_is_the_share_of_confident_pixels() -> None:
    logits = torch.tensor([[[2.0, 0.5, -0.5, -2.0]], [[-3.0, -3.0, -3.0, -3.0]]])
    assert stability_scores(logits, 1.0).tolist() == pytest.approx([1 / 3, 0.0])


def test_run_lengths_boxes_and_areas_agree_with_each_other() -> None:
    masks = encode_masks(random_logits(6), FRAME, CropPlacement.whole(30, 40), Selection())
    assert masks.source.tolist() == list(range(6))
    for counts, box, area in zip(masks.counts, masks.boxes, masks.areas, strict=True):
        mask = decode_mask(counts, (30, 40))
        assert mask.sum() == area
        y, x = mask.nonzero()
        assert box.tolist() == [x.min(), y.min(), x.max(), y.max()]


def test_the_number_of_masks_drawn_together_does_not_change_them() -> None:
    whole = encode_masks(random_logits(7), FRAME, CropPlacement.whole(30, 40), Selection(stability_thresh=0.42))
    single = [
        encode_masks(
            random_logits(7)[row : row + 1], FRAME, CropPlacement.whole(30, 40), Selection(stability_thresh=0.42)
        )
        for row in range(7)
    ]
    assert whole.counts == [counts for part in single for counts in part.counts]
    assert 0 < len(whole.counts) < 7


def test_a_crop_lies_at_its_place_in_the_image() -> None:
    crop = (10, 5, 50, 35)
    inside = encode_masks(random_logits(4), FRAME, CropPlacement.whole(30, 40), Selection())
    placed = encode_masks(random_logits(4), FRAME, CropPlacement(crop, (60, 80)), Selection())
    np.testing.assert_array_equal(placed.boxes, inside.boxes + np.array([10, 5, 10, 5]))
    for whole, part in zip(placed.counts, inside.counts, strict=True):
        np.testing.assert_array_equal(decode_mask(whole, (60, 80))[5:35, 10:50], decode_mask(part, (30, 40)))


def test_objects_are_cut_only_at_crop_edges_inside_the_image() -> None:
    placement = CropPlacement((0, 0, 100, 100), (100, 300))
    boxes = np.array([[30, 0, 60, 99], [30, 30, 85, 60], [30, 30, 79, 60]], dtype=np.float32)
    assert masks.cut_by_crop(boxes, placement).tolist() == [False, True, False]


def test_no_logits_give_no_masks() -> None:
    masks = encode_masks(torch.zeros(0, 16, 16), FRAME, CropPlacement.whole(30, 40), Selection())
    assert masks.counts == []
    assert masks.boxes.shape == (0, 4)


@pytest.mark.parametrize("selection", [Selection(), Selection(stability_thresh=0.42)])
@pytest.mark.parametrize("at_a_time", [1, 2, 100])
def test_a_device_gives_the_masks_of_the_cpu(
    device: torch.device, selection: Selection, at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds for any number of masks drawn together. A GPU's interpolation may round a pixel at a threshold
    differently.
    """
    placement = CropPlacement((10, 5, 50, 35), (60, 80))
    expected = encode_masks(random_logits(7), FRAME, placement, selection)
    per_mask = 4 * FRAME.input_size**2 + threshold.BYTES_PER_PIXEL * 30 * 40
    monkeypatch.setitem(threshold.DENSE_BYTES, device.type, at_a_time * per_mask)
    monkeypatch.setattr(masks, "BITS_AT_A_TIME", at_a_time * packed_bytes(30 * 40))
    found = encode_masks(random_logits(7).to(device), FRAME, placement, selection)
    np.testing.assert_array_equal(found.source, expected.source)
    np.testing.assert_allclose(found.stability, expected.stability, atol=0.01)
    for own, other in zip(found.counts, expected.counts, strict=True):
        assert np.count_nonzero(decode_mask(own, (60, 80)) != decode_mask(other, (60, 80))) <= 2
    assert len(found.counts) == len(found.boxes) == len(found.areas) > 0


@pytest.mark.parametrize("most", [5, 2, 1])
def test_out_of_memory_halves_the_number_of_masks_drawn_together(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = random_logits(11)
    frame = ImageFrame.of(60, 90, 4 * logits.shape[-1])
    expected = draw_whole(logits, frame, 1.0, None)

    def limited(low_res: torch.Tensor, frame: ImageFrame) -> torch.Tensor:
        if len(low_res) > most:
            raise torch.OutOfMemoryError("of the GPU")
        return upscale(low_res, frame)

    monkeypatch.setattr(threshold, "upscale", limited)
    found = draw_whole(logits, frame, 1.0, None)
    assert np.array_equal(found.bits, expected.bits)
    assert np.array_equal(found.rows, expected.rows)
    monkeypatch.setattr(threshold, "upscale", lambda *_: limited(logits, frame))
    with pytest.raises(torch.OutOfMemoryError):  # a single one does not fit: the caller frees other memory
        draw_whole(logits[:1], frame, 1.0, None)


def test_masks_are_encoded_while_the_next_ones_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    second_drawn = Event()
    landed = DrawnOnDevice.landed

    def parts(*arguments: Any) -> Iterator[DrawnOnDevice]:
        for number, part in enumerate(threshold.draw_parts(*arguments)):
            if number == 1:
                second_drawn.set()
            yield part

    def late(part: DrawnOnDevice) -> Drawn:
        assert second_drawn.wait(60)
        return landed(part)

    monkeypatch.setattr(masks, "draw_parts", parts)
    monkeypatch.setattr(DrawnOnDevice, "landed", late)
    monkeypatch.setitem(
        threshold.DENSE_BYTES, "cuda", 3 * (4 * FRAME.input_size**2 + threshold.BYTES_PER_PIXEL * 30 * 40)
    )
    with StandInGpu():
        found = encode_masks(random_logits(7).to(GPU), FRAME, CropPlacement.whole(30, 40), Selection())
    assert found.source.tolist() == list(range(7))


def test_at_most_two_parts_wait_for_their_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    first_may_end = Event()
    waited: list[list[Future[EncodedMasks]]] = []

    def first() -> EncodedMasks:
        assert first_may_end.wait(60)
        return EncodedMasks.joined([])

    def waiting(jobs: list[Future[EncodedMasks]]) -> None:
        waited.append(jobs)
        first_may_end.set()
        wait(jobs)

    monkeypatch.setattr(masks, "wait", waiting)
    with masks.MaskEncoder(torch.device("cpu")) as coder:
        jobs = [coder.submit(work) for work in (first, lambda: EncodedMasks.joined([]))]
        assert not waited
        coder.submit(lambda: EncodedMasks.joined([]))
    assert waited == [jobs[:1]]
