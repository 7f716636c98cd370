from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor

from fixtures.engine import sam_network
from fixtures.pictures import bright_square
from fixtures.tiny import tiny, tiny_engine
from samfleet.masks.rle import decode_mask
from samfleet.masks.wire import SegmentReply, SegmentRequest
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters
from samfleet_models.common import Features
from samfleet_models.decoding import DrawnMasks
from samfleet_models.engine import Engine
from samfleet_models.folded.context import ImageContext
from samfleet_models.folded.decoder import FoldedDecoder, ScoredPrompts
from samfleet_models.meters.meter import MemoryMeter
from samfleet_models.meters.watch import DeviceWatch
from samfleet_models.network import IMAGES_PER_PASS

__all__ = ["tiny", "tiny_engine"]

EVERYTHING = EverythingParameters(points_per_side=3, pred_iou_thresh=-1.0, stability_score_thresh=0.0)


def segment(engine: Engine, requests: Sequence[SegmentRequest]) -> list[SegmentReply]:
    replies = dict(engine.segment(requests))
    assert sorted(replies) == list(range(len(requests)))
    return [replies[position] for position in range(len(requests))]


def prompts_request(*prompts: Prompt, masks: str = "best", size: tuple[int, int] = (40, 30)) -> SegmentRequest:
    parameters = PromptsParameters(masks=masks)  # type: ignore[arg-type]  # one of its two words
    return SegmentRequest(bright_square(*size), parameters, prompts)


class CountingMeter(MemoryMeter):
    """Uses as much between any two questions."""

    STEP = 5.0

    def joules(self) -> float:
        self.used_joules = (self.used_joules or 0.0) + self.STEP
        return self.used_joules


POINT = Prompt(points=((20, 15),), labels=(1,))
POINTS = Prompt(points=((20, 15), (2, 2)), labels=(1, 0), multimask=True)
BOX = Prompt(box=(10, 8, 30, 22))
BOTH = Prompt(points=((20, 15),), labels=(1,), box=(10, 8, 30, 22), multimask=True)


def test_answers_come_in_the_order_of_the_prompts(tiny_engine: Engine) -> None:
    prompts = [POINT, BOX, POINTS, BOTH, POINT, BOX] * 3
    (together,) = segment(tiny_engine, [prompts_request(*prompts)])
    assert [mask.prompt_index for mask in together.masks] == list(range(len(prompts)))
    for prompt, mask in zip(prompts, together.masks, strict=True):
        (alone,) = segment(tiny_engine, [prompts_request(prompt)])
        assert alone.masks[0].predicted_iou == pytest.approx(mask.predicted_iou, abs=1e-5)
        assert abs(alone.masks[0].area - mask.area) <= 2


def test_all_masks_of_a_multimask_prompt_and_the_best_of_them(tiny_engine: Engine) -> None:
    every, best = segment(
        tiny_engine, [prompts_request(POINTS, POINT, masks="all"), prompts_request(POINTS, POINT, masks="best")]
    )
    assert [mask.prompt_index for mask in every.masks] == [0, 0, 0, 1]
    assert [mask.prompt_index for mask in best.masks] == [0, 1]
    assert best.masks[0].predicted_iou == pytest.approx(max(m.predicted_iou for m in every.masks[:3]), abs=1e-5)


def test_masks_are_in_pixels_of_the_upright_image(tiny_engine: Engine) -> None:
    (reply,) = segment(tiny_engine, [SegmentRequest(bright_square(50, 20), EVERYTHING)])
    assert (reply.report.width, reply.report.height) == (50, 20)
    assert reply.masks
    for mask in reply.masks:
        assert mask.size == (20, 50)
        assert decode_mask(mask.counts, mask.size).sum() == mask.area
        assert mask.crop_box == (0, 0, 50, 20)
        assert mask.prompt_index is None


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (3, 2)])
def test_the_smallest_and_thinnest_images_work(tiny_engine: Engine, size: tuple[int, int]) -> None:
    crops = EverythingParameters(
        points_per_side=2,
        pred_iou_thresh=-1.0,
        stability_score_thresh=0.0,
        crop_n_layers=2,
        crop_n_points_downscale_factor=4,
        min_mask_region_area=3,
    )
    picture = bright_square(*size)
    for reply in segment(tiny_engine, [SegmentRequest(picture, crops), prompts_request(POINT, BOX, size=size)]):
        assert reply.report.error_code is None
        assert all(mask.size == size[::-1] for mask in reply.masks)


def test_masks_of_crops_lie_where_their_points_are(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_by_discs(tiny_engine, monkeypatch)
    parameters = EverythingParameters(points_per_side=4, crop_n_layers=1, crop_nms_thresh=1.0, min_mask_region_area=5)
    (reply,) = segment(tiny_engine, [SegmentRequest(bright_square(320, 200), parameters)])
    crop_boxes = {mask.crop_box for mask in reply.masks}
    assert len(crop_boxes) == 5
    assert reply.masks[0].crop_box != (0, 0, 320, 200)  # masks of smaller crops come first
    for mask in reply.masks:
        pixels = decode_mask(mask.counts, mask.size)
        y, x = pixels.nonzero()
        assert mask.area == pixels.sum()
        assert mask.bbox == (x.min(), y.min(), x.max() - x.min(), y.max() - y.min())
        assert mask.point_coords is not None
        assert (x.mean(), y.mean()) == pytest.approx(mask.point_coords, abs=1.5)


def replace_by_discs(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that answers every point with a sharp disc around it, of 2 low-resolution pixels."""
    decoder = cast("FoldedDecoder", engine.network.decoder)
    score = decoder.score
    seen: list[Tensor] = []

    def score_all_well(context: ImageContext, coords: Tensor, labels: Tensor) -> ScoredPrompts:
        seen[:] = [coords]
        return replace(score(context, coords, labels), ious=torch.full((len(coords), 4), 0.95))

    def draw_discs(_: ScoredPrompts, rows: Tensor, __: Tensor) -> DrawnMasks:
        y, x = torch.meshgrid(torch.arange(32) + 0.5, torch.arange(32) + 0.5, indexing="ij")
        centres = seen[0][rows, 0, :, None, None].float() / 4
        discs = 100 * (2 - torch.hypot(x - centres[:, 0], y - centres[:, 1]))
        return DrawnMasks(discs, torch.full((len(rows),), 0.95))

    monkeypatch.setattr(decoder, "score", score_all_well)
    monkeypatch.setattr(decoder, "draw", draw_discs)


def test_points_per_batch_changes_nothing(tiny_engine: Engine) -> None:
    chunked = [
        EverythingParameters(points_per_side=4, points_per_batch=size, pred_iou_thresh=-1.0, stability_score_thresh=0.0)
        for size in (1, 5, 64)
    ]
    replies = segment(tiny_engine, [SegmentRequest(bright_square(40, 30), parameters) for parameters in chunked])
    assert len({len(reply.masks) for reply in replies}) == 1


def test_failures_stay_with_their_image(tiny_engine: Engine) -> None:
    replies = segment(
        tiny_engine,
        [
            prompts_request(POINT),
            SegmentRequest(b"", PromptsParameters(), (POINT,)),
            SegmentRequest(b"text", EVERYTHING),
            SegmentRequest(bright_square(9, 9), EVERYTHING, (POINT,)),
            prompts_request(BOX),
        ],
    )
    codes = [reply.report.error_code for reply in replies]
    assert codes == [None, "image_empty", "image_unreadable", "task_invalid", None]
    assert [len(reply.masks) for reply in replies] == [1, 0, 0, 0, 1]
    assert all(reply.report.error_stage == "preprocess" for reply in replies[1:4])


def test_without_prompts_nothing_is_encoded(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sam_network(tiny_engine), "encode", refuse)
    good, bad = segment(tiny_engine, [prompts_request(), SegmentRequest(b"text", PromptsParameters())])
    assert good.report.error_code is None
    assert (good.report.width, good.report.height) == (40, 30)
    assert bad.report.error_code == "image_unreadable"


def test_the_first_execution_is_warm_up(tiny_engine: Engine) -> None:
    first, second, third = (
        segment(tiny_engine, [request])[0].report.warmup
        for request in (prompts_request(), prompts_request(POINT), prompts_request(POINT))
    )
    assert (first, second, third) == (False, True, False)


def test_shared_time_is_divided_and_replies_leave_early(tiny_engine: Engine) -> None:
    replies = segment(tiny_engine, [prompts_request(POINT)] * 4)
    for reply in replies:
        encode = reply.report.stages["encode"]
        assert encode.amortised_ms == pytest.approx(encode.batch_ms / 4)
        assert reply.report.batch_size == 4
    elapsed = [reply.report.execute_ms for reply in replies]
    assert elapsed == sorted(elapsed)


def test_a_batch_too_large_for_the_memory_is_encoded_one_by_one(
    tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(IMAGES_PER_PASS, "cpu", 8)
    encode = sam_network(tiny_engine).encode
    sizes = []

    def small_memory(pixels: Tensor) -> Features:
        sizes.append(len(pixels))
        if len(pixels) > 1:
            raise torch.OutOfMemoryError
        return encode(pixels)

    expected = [reply.masks for reply in segment(tiny_engine, [prompts_request(POINT), prompts_request(BOX)])]
    monkeypatch.setattr(sam_network(tiny_engine), "encode", small_memory)
    replies = segment(tiny_engine, [prompts_request(POINT), prompts_request(BOX)])
    assert sizes == [2, 1, 1]
    assert [reply.masks[0].area for reply in replies] == pytest.approx([masks[0].area for masks in expected], abs=2)


@pytest.mark.parametrize("stage", ["score", "draw"])
def test_out_of_memory_halves_the_chunk_and_goes_on(
    tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    requests = [prompts_request(*[POINT] * 20), SegmentRequest(bright_square(40, 30), EVERYTHING)]
    expected = segment(tiny_engine, requests)
    sizes = limit_memory(tiny_engine, monkeypatch, stage, prompts=4)
    replies = segment(tiny_engine, requests)
    assert [reply.report.error_code for reply in replies] == [None, None]
    assert [len(reply.masks) for reply in replies] == [len(reply.masks) for reply in expected]
    assert [mask.prompt_index for mask in replies[0].masks] == list(range(20))
    assert max(sizes) > 4 >= min(sizes)


def test_an_image_too_large_for_the_memory_fails_alone(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = limit_memory(tiny_engine, monkeypatch, "score", prompts=0, points=2)
    large, small = segment(tiny_engine, [prompts_request(*[POINTS] * 8), prompts_request(POINT)])
    assert (large.report.error_code, large.report.error_stage) == ("out_of_memory", "decode")
    assert (large.report.width, large.report.height) == (40, 30)
    assert sizes == [8, 4, 2, 1, 1]
    assert len(small.masks) == 1


def limit_memory(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, stage: str, *, prompts: int, points: int = 0
) -> list[int]:
    """Lets one step of the decoder run out of memory beyond `prompts` of more than `points` points; lists the sizes."""
    decoder = engine.network.decoder
    work = getattr(decoder, stage)
    sizes: list[int] = []

    def limited(given: ImageContext | ScoredPrompts, first: Tensor, second: Tensor) -> ScoredPrompts | DrawnMasks:
        count = len(given.ious) if isinstance(given, ScoredPrompts) else len(first)
        width = 1 if isinstance(given, ScoredPrompts) else first.shape[1]
        sizes.append(count)
        if count > prompts and width > points:
            raise torch.OutOfMemoryError
        return work(given, first, second)  # type: ignore[no-any-return]  # the method that it replaces

    monkeypatch.setattr(decoder, stage, limited)
    return sizes


def test_a_fault_of_the_program_is_no_answer(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny_engine.network.decoder, "score", refuse)
    with pytest.raises(AssertionError, match="called"):
        segment(tiny_engine, [prompts_request(POINT)])


def test_the_caller_is_not_left_in_inference_mode(tiny_engine: Engine) -> None:
    for _ in tiny_engine.segment([prompts_request(POINT), prompts_request(BOX)]):
        assert not torch.is_inference_mode_enabled()


def test_the_hardware_record_is_flat_and_complete(tiny_engine: Engine) -> None:
    hardware = tiny_engine.hardware
    assert hardware["device_kind"] == "cpu"
    assert hardware["torch"] == torch.__version__
    assert hardware["device_memory_bytes"] > 2**28
    assert all(isinstance(value, str | int | None) for value in hardware.values())


def refuse(*_: object) -> Tensor:
    raise AssertionError("called")


def test_no_request_decides_alone_over_the_memory(tiny_engine: Engine) -> None:
    network = sam_network(tiny_engine)
    assert network.prompts_per_pass(3) == 3
    assert network.prompts_per_pass(65_536) == 64
    assert 1 <= network.prompts_per_pass(points=500) <= network.prompts_per_pass() <= 64


def test_a_chunk_is_as_much_work_for_every_lane(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    network = sam_network(tiny_engine)
    monkeypatch.setattr(type(network.decoder), "lanes", 5)
    assert network.prompts_per_pass() % 5 == 0
    monkeypatch.setattr(type(network.decoder), "lanes", 1000)
    assert network.prompts_per_pass() >= 1


def test_every_reply_tells_of_the_device(tiny_engine: Engine) -> None:
    good, bad = segment(
        tiny_engine, [prompts_request(POINT), SegmentRequest(b"no image", PromptsParameters(), (POINT,))]
    )
    for reply in (good, bad):
        assert reply.report.device is not None
        assert reply.report.device.id == "cpu"
        assert reply.report.device.memory_total_bytes
        assert reply.report.energy_j is None


def test_the_images_of_a_batch_share_its_energy(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = CountingMeter()
    monkeypatch.setattr(tiny_engine, "_watch", DeviceWatch(meter))
    replies = segment(tiny_engine, [prompts_request(POINT), prompts_request(BOX), prompts_request(POINTS, BOTH)])
    shares = [reply.report.energy_j for reply in replies]
    assert all(share is not None and share > 0 for share in shares)
    assert sum(share or 0 for share in shares) == pytest.approx((meter.used_joules or 0) - CountingMeter.STEP)
