"""Every family through the whole engine, tiny and with random weights: properties that hold for all of them.

A new family is covered by a line in `fixtures.models.tiny_families`; without it a test here fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures.images.encoded_images import encoded, gradient
from fixtures.models.devices import GPUS, device
from fixtures.models.tiny_families import ARCHITECTURES, OTHERS, tiny_variant_of
from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import decode_mask, encode_mask
from samfleet.variants.catalogue import get_variant
from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, Prompt, PromptMask, PromptsParameters
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.device.meters.host import HostMeter
from samfleet_models.networks import registry, sam
from samfleet_models.networks.families import FAMILIES
from samfleet_models.serving import engine as engine_module
from samfleet_models.serving.engine import Engine, EngineSettings

__all__ = ["device"]

NAMES = [*ARCHITECTURES, *OTHERS]
SIZES = [(90, 60), (60, 90), (1, 1), (3, 400)]  # width, height
BOX = Prompt(box=(5.0, 5.0, 60.0, 50.0))
CLICK = Prompt(points=((40.0, 30.0),), labels=(1,))
OUTSIDE = Prompt(points=((-7.0, 1e5),), labels=(1,))
NOTHING = Prompt(box=(9.0, 9.0, 9.0, 9.0))
AMBIGUOUS = replace(CLICK, multimask=True)
PROMPTS = (BOX, AMBIGUOUS, CLICK, OUTSIDE, NOTHING)
LEFT_HALF = PromptMask((60, 90), encode_mask(np.arange(90)[None].repeat(60, 0) < 45))  # of the first of `SIZES`
BOXES = (BOX, replace(BOX, multimask=True), BOX, Prompt(box=(-70.0, 500.0, -7.0, 1e5)), NOTHING)


@pytest.fixture(scope="module", params=NAMES)
def variant(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[VariantRecord, Path]:
    return tiny_variant_of(request.param, tmp_path_factory.mktemp("family"))


@pytest.fixture(scope="module")
def engine(variant: tuple[VariantRecord, Path]) -> Iterator[Engine]:
    engine = Engine(*variant, EngineSettings(device="cpu"))
    yield engine
    engine.close()


def segment(engine: Engine, *requests: SegmentRequest) -> list[SegmentReply]:
    replies = dict(engine.segment(requests))
    assert [replies[position].report.error_code for position in range(len(requests))] == [None] * len(requests)
    return [replies[position] for position in range(len(requests))]


def prompts_of(record: VariantRecord) -> tuple[Prompt, ...]:
    """Return prompts that the variant takes, the second of them ambiguous."""
    return PROMPTS if record.conventions.prompts.points else BOXES


def assert_same(found: Sequence[MaskRecord], expected: Sequence[MaskRecord]) -> None:
    """Compare masks up to rounding: a pixel or two whose logits are almost zero may differ."""
    assert len(found) == len(expected)
    for own, other in zip(found, expected, strict=True):
        assert np.count_nonzero(decode_mask(own.counts, own.size) != decode_mask(other.counts, other.size)) <= 2
        assert own.predicted_iou == pytest.approx(other.predicted_iou, abs=1e-4)
        assert own.prompt_index == other.prompt_index


def ask(size: tuple[int, int], *prompts: Prompt) -> SegmentRequest:
    return SegmentRequest(encoded(gradient(*size)), PromptsParameters(masks="all"), prompts)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_results_of_the_cpu(variant: tuple[VariantRecord, Path], engine: Engine) -> None:
    """Interpolation and matrix products of a GPU round differently."""
    requests = [ask(size, *prompts_of(variant[0])) for size in SIZES]
    gpu = Engine(*variant, EngineSettings(device="cuda"))
    try:
        found = segment(gpu, *requests)
    finally:
        gpu.close()
    for own, other in zip(found, segment(engine, *requests), strict=True):
        assert_same(own.masks, other.masks)


def test_there_is_a_tiny_variant_of_every_family() -> None:
    """If a family has none, give it a line in `fixtures.models.tiny_families`; `fixed` has no model (`test_fixed`)."""
    assert {get_variant(name).family for name in NAMES} == {*FAMILIES, *registry.OTHERS} - {"fixed"}


def test_masks_of_a_batch_have_consistent_fields(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """All images go through the encoder together, as on a GPU."""
    monkeypatch.setitem(sam.IMAGES_PER_PASS, "cpu", len(SIZES))
    monkeypatch.setitem(engine_module.ENCODED_AT_A_TIME, "cpu", len(SIZES))
    conventions = engine.record.conventions
    one = conventions.masks.multimask_best_only or "instances" in conventions.samplers
    expected = np.repeat(np.arange(len(PROMPTS)), [1, 1 if one else len(conventions.masks.multimask), 1, 1, 1])
    prompts = prompts_of(engine.record)
    for (width, height), reply in zip(SIZES, segment(engine, *(ask(size, *prompts) for size in SIZES)), strict=True):
        assert (reply.report.width, reply.report.height) == (width, height)
        assert [mask.prompt_index for mask in reply.masks] == expected.tolist()
        for mask in reply.masks:
            decoded = decode_mask(mask.counts, mask.size)
            assert decoded.shape == (height, width)
            assert decoded.sum() == mask.area
            assert np.isfinite([mask.predicted_iou, mask.stability_score]).all()
            if mask.area:
                rows, columns = np.nonzero(decoded)
                corner = columns.min(), rows.min()
                assert mask.bbox == (*corner, columns.max() - corner[0], rows.max() - corner[1])


def test_a_batch_gives_the_results_of_its_images_and_prompts_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results agree up to rounding, because a matrix product of another size rounds differently."""
    requests = [ask(size, *prompts_of(engine.record)[:2]) for size in SIZES[:2]]
    with monkeypatch.context() as patched:
        patched.setitem(sam.IMAGES_PER_PASS, "cpu", len(requests))
        patched.setitem(engine_module.ENCODED_AT_A_TIME, "cpu", len(requests))
        together = segment(engine, *requests)
    for request, reply in zip(requests, together, strict=True):
        box, ambiguous = (segment(engine, replace(request, prompts=(prompt,)))[0].masks for prompt in request.prompts)
        expected = *box, *(replace(mask, prompt_index=1) for mask in ambiguous)
        assert_same(reply.masks, expected)


def test_segevery_runs_with_the_record_s_parameters_and_with_crops(engine: Engine) -> None:
    task = engine.record.everything
    if task.sampler in {"instances", "object_aware"}:
        tasks = [replace(task, pred_iou_thresh=0.01)]
    else:
        loose = replace(task, points_per_side=2, pred_iou_thresh=-9.0, stability_score_thresh=0.0, box_nms_thresh=1.0)
        crops = replace(loose, sampler="grid", crop_n_layers=1, crop_nms_thresh=1.0)
        tasks = [replace(loose, min_mask_region_area=9), crops, replace(crops, points_per_batch=1)]
    image = encoded(gradient(*SIZES[0]))
    replies = [segment(engine, SegmentRequest(image, each, (BOX,) * each.prompted))[0] for each in tasks]
    assert all(reply.masks for reply in replies)
    assert all(mask.size == (60, 90) for reply in replies for mask in reply.masks)
    assert_same(replies[-1].masks, replies[1 if len(tasks) > 1 else 0].masks)


def test_given_boxes_give_the_same_masks_as_box_prompts(engine: Engine) -> None:
    boxes = EverythingParameters(sampler="object_aware")
    image = encoded(gradient(*SIZES[0]))
    everything, prompted = segment(
        engine,
        SegmentRequest(image, boxes, (BOX, NOTHING)),
        SegmentRequest(image, PromptsParameters(), (BOX, NOTHING)),
    )
    assert everything.masks == prompted.masks


def test_an_unsupported_prompt_fails_only_its_request(engine: Engine) -> None:
    rules = engine.record.conventions.prompts
    if engine.record.family == "onnx":
        pytest.skip("a graph accepts only the number of points it was exported for")
    many = Prompt(points=((9.0, 9.0),) * 30, labels=(1,) * 30)
    refused = {
        many: rules.most_points is not None or not rules.points,
        Prompt(points=((9.0, 9.0), (1.0, 1.0)), labels=(1, 0)): not (rules.negative_points and rules.points),
        replace(BOX, points=((9.0, 9.0),), labels=(1,)): not rules.mixed,
        replace(BOX, mask=LEFT_HALF): not rules.masks,
    }
    requests = [ask(SIZES[0], BOX, prompt) for prompt in refused]
    replies = dict(engine.segment([*requests, ask(SIZES[0], BOX)]))
    codes = [replies[position].report.error_code for position in range(len(requests) + 1)]
    assert codes == [*("prompt_unsupported" if each else None for each in refused.values()), None]


@pytest.mark.parametrize("device", GPUS, indirect=True)
def test_half_precision_does_not_change_the_loaded_weights(
    variant: tuple[VariantRecord, Path], device: torch.device
) -> None:
    record, path = variant
    if record.family == "onnx":
        pytest.skip("runs in the precision it was exported in")
    settings = EngineSettings(device=device.type, execution=Execution("bf16"), ungated=True)
    reduced = Engine(record, path, settings, HostMeter())
    try:
        (reply,) = segment(reduced, ask(SIZES[0], *prompts_of(record)))
        state = reduced.network.state_dict()  # type: ignore[attr-defined]  # all but ONNX graphs are torch modules
    finally:
        reduced.close()
    assert reply.masks
    assert not [key for key, value in state.items() if value.dtype in {torch.bfloat16, torch.float16}]
