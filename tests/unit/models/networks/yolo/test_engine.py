"""Variants that find all instances in one pass, and variants with a detector, in a complete engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fixtures.images.encoded_images import bright_square, encoded, gradient
from fixtures.models.tiny_variant import tiny, tiny_engine
from fixtures.models.tiny_yolo import tiny_record
from samfleet.masks.rle import decode_mask
from samfleet.variants.catalogue import get_variant
from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters, TaskParameters
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.checkpoints.loading import CheckpointMismatch, CheckpointMissing
from samfleet_models.networks.registry import network_of
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.networks.yolo.detector_prompted import DetectorPrompted
from samfleet_models.networks.yolo.network import CompilationUnsupported, InstanceNetwork
from samfleet_models.serving.engine import Engine, EngineSettings

__all__ = ["tiny", "tiny_engine"]

INSTANCES = replace(get_variant("fastsam_s").everything, box_nms_thresh=0.5)
DETECTED = replace(get_variant("mobilesamv2").everything, detection_nms_thresh=0.5, max_detections=7)
POINT = Prompt(points=((20.0, 15.0),), labels=(1,), multimask=True)
BOX = Prompt(box=(10, 8, 30, 22))


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    record, path = tiny_record("fastsam_s", tmp_path_factory.mktemp("fast"))
    engine = Engine(record, path, EngineSettings(device="cpu"))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def detecting(tmp_path_factory: pytest.TempPathFactory, tiny: tuple[VariantRecord, Path]) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("detecting")
    detector, _ = tiny_record("mobilesamv2_object_aware", folder, prototypes=False)
    record, path = tiny
    (folder / path.name).write_bytes(path.read_bytes())
    record = replace(
        get_variant("mobilesamv2"),
        architecture=record.architecture,
        checkpoint=record.checkpoint,
        input_size=record.input_size,
        companions={"detector": detector.checkpoint},
        detector=detector,
    )
    engine = Engine(record, folder / path.name, EngineSettings(device="cpu"))
    yield engine
    engine.close()


def segment(engine: Engine, *requests: SegmentRequest) -> list[SegmentReply]:
    replies = dict(engine.segment(requests))
    return [replies[position] for position in range(len(requests))]


def request(task: TaskParameters, *prompts: Prompt, size: tuple[int, int] = (40, 30)) -> SegmentRequest:
    return SegmentRequest(encoded(gradient(*size)), task, prompts)


def test_segevery_returns_all_instances_best_first(fast: Engine) -> None:
    (reply,) = segment(fast, request(INSTANCES))
    assert reply.report.error_code is None
    assert reply.report.prompts_decoded == 0
    assert set(reply.report.stages) == {"preprocess", "encode", "decode", "postprocess"}
    scores = [mask.predicted_iou for mask in reply.masks]
    assert len(scores) > 2
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > INSTANCES.pred_iou_thresh
    for mask in reply.masks:
        assert mask.size == (30, 40)
        assert decode_mask(mask.counts, mask.size).sum() == mask.area > 0
        assert (mask.prompt_index, mask.point_coords, mask.crop_box) == (None, None, None)


def test_images_of_several_shapes_share_a_batch(fast: Engine) -> None:
    sizes = [(40, 30), (30, 40), (64, 48), (90, 20), (1, 1), (40, 30)]
    together = segment(fast, *(request(INSTANCES, size=size) for size in sizes))
    for size, reply in zip(sizes, together, strict=True):
        (alone,) = segment(fast, request(INSTANCES, size=size))
        assert [mask.counts for mask in reply.masks] == [mask.counts for mask in alone.masks]
        assert (reply.report.width, reply.report.height) == size


def test_thresholds_come_from_the_task(fast: Engine) -> None:
    every, sure, few, stable = segment(
        fast,
        request(INSTANCES),
        request(replace(INSTANCES, pred_iou_thresh=0.6)),
        request(replace(INSTANCES, max_detections=2)),
        request(replace(INSTANCES, stability_score_thresh=0.5)),
    )
    assert len(sure.masks) < len(every.masks)
    assert all(mask.predicted_iou > 0.6 for mask in sure.masks)
    assert len(few.masks) <= 2
    assert all(mask.stability_score >= 0.5 for mask in stable.masks)


@pytest.mark.parametrize("masks", ["best", "all"])
def test_every_prompt_gives_one_mask(fast: Engine, masks: str) -> None:
    parameters = PromptsParameters(masks=masks)  # type: ignore[arg-type]  # one of its two words
    (reply,) = segment(fast, request(parameters, POINT, BOX, POINT, BOX))
    assert [mask.prompt_index for mask in reply.masks] == [0, 1, 2, 3]
    assert reply.masks[0].counts == reply.masks[2].counts
    assert reply.masks[1].counts == reply.masks[3].counts


def test_given_boxes_select_instances(fast: Engine) -> None:
    boxes, prompted = segment(
        fast, request(EverythingParameters(sampler="object_aware"), BOX), request(PromptsParameters(), BOX)
    )
    assert [mask.counts for mask in boxes.masks] == [mask.counts for mask in prompted.masks]


@pytest.mark.parametrize(
    ("task", "prompts", "code", "words"),
    [
        (EverythingParameters(), (), "task_invalid", "its samplers are instances, object_aware"),
        (EverythingParameters(sampler="hierarchical"), (), "task_invalid", "'hierarchical'"),
        (EverythingParameters(sampler="object_aware", boxes_from="detector"), (), "task_invalid", "annotations or det"),
        (PromptsParameters(), (replace(BOX, points=((1, 1),), labels=(1,)),), "prompt_unsupported", "not both"),
    ],
)
def test_unsupported_requests_are_refused(
    fast: Engine, task: TaskParameters, prompts: tuple[Prompt, ...], code: str, words: str
) -> None:
    good, bad = segment(fast, request(INSTANCES), request(task, *prompts))
    assert good.report.error_code is None
    assert bad.report.error_code == code
    assert words in str(bad.report.error_message)


def test_other_variants_refuse_instances_and_boxes_from_a_detector(tiny_engine: Engine) -> None:
    instances, detector = segment(tiny_engine, request(INSTANCES), request(DETECTED))
    assert "its samplers are grid, hierarchical, adaptive, salient, object_aware" in str(instances.report.error_message)
    assert "takes no boxes_from 'detector'" in str(detector.report.error_message)


def test_boxes_of_the_detector_prompt_the_decoder(detecting: Engine) -> None:
    assert isinstance(detecting.network, DetectorPrompted)
    (reply,) = segment(detecting, request(DETECTED))
    assert reply.report.error_code is None
    assert reply.report.prompts_decoded == len(reply.masks) == 7
    assert {mask.prompt_index for mask in reply.masks} == {None}
    none = replace(DETECTED, detection_score_thresh=1.0)
    (empty,) = segment(detecting, request(none))
    assert (empty.report.error_code, empty.masks, empty.report.prompts_decoded) == (None, (), 0)


def test_detector_boxes_give_the_same_masks_as_given_boxes(detecting: Engine) -> None:
    network = detecting.network
    assert isinstance(network, DetectorPrompted)
    seen: list[tuple[float, float, float, float]] = []
    find = network.detect

    def watched(*arguments: object) -> object:
        found = find(*arguments)  # type: ignore[arg-type]  # as they came
        seen.extend(tuple(box) for box in found.boxes.tolist())
        return found

    network.detect = watched  # type: ignore[method-assign,assignment]  # a spy
    try:
        (own,) = segment(detecting, request(DETECTED))
    finally:
        del network.detect
    given = request(replace(DETECTED, boxes_from="detections"), *(Prompt(box=box) for box in seen))
    (asked,) = segment(detecting, given)
    assert [mask.counts for mask in own.masks] == [mask.counts for mask in asked.masks]


def test_a_variant_with_a_detector_serves_all_other_tasks_too(detecting: Engine) -> None:
    points, grid = segment(
        detecting, request(PromptsParameters(), POINT), request(EverythingParameters(points_per_side=2))
    )
    assert len(points.masks) == 1
    assert grid.report.prompts_decoded == 4


def test_the_detector_file_is_required_and_checked(detecting: Engine, tmp_path: Path) -> None:
    record = detecting.record
    with pytest.raises(CheckpointMissing, match=r"tiny\.pt"):
        Engine(record, tmp_path / "tiny.pt", EngineSettings(device="cpu"))


def test_weights_of_another_size_are_refused(fast: Engine, tmp_path: Path) -> None:
    wrong = replace(fast.record, architecture={**fast.record.architecture, "bins": 5})
    _, path = tiny_record("fastsam_s", tmp_path)
    with pytest.raises(CheckpointMismatch, match=r"model\.22\.cv2\.0\.0\.bn\.bias"):
        Engine(wrong, path, EngineSettings(device="cpu"))


def test_compilation_is_refused_for_inputs_of_many_shapes(fast: Engine) -> None:
    network = network_of(fast.record, Execution("fp32", "compile"))
    with pytest.raises(CompilationUnsupported, match="serve it in fp32 alone"):
        network.warm_up()


@torch.inference_mode()
def test_half_precision_finds_nearly_the_same_instances(fast: Engine) -> None:
    network = network_of(fast.record, Execution("bf16"))
    assert isinstance(network, InstanceNetwork)
    assert isinstance(fast.network, InstanceNetwork)
    network.load_state_dict(fast.network.state_dict())
    pixels = torch.rand(1, 3, 96, 160, generator=torch.Generator().manual_seed(0))
    exact, half = fast.network.encode(pixels), network.encode(pixels)
    assert all(part.dtype == torch.float32 for part in half)
    off = (half[0] - exact[0]).abs()
    assert float(off[:, 4].max()) < 0.1
    assert float(off[:, :4].mean()) < 1.0


def test_new_weights_invalidate_the_fused_network(fast: Engine) -> None:
    network = network_of(fast.record)
    assert isinstance(network, InstanceNetwork)
    network.load_published(fast.network.network.state_dict())  # type: ignore[attr-defined]  # an instance network
    pixels = torch.rand(1, 3, 96, 160)
    before = network.encode(pixels)[0]
    network.load_published({key: value * 1.1 for key, value in network.network.state_dict().items()})
    assert not torch.allclose(network.encode(pixels)[0], before, atol=1e-2)


def test_the_network_of_other_variants_is_built_too(tiny: tuple[VariantRecord, Path]) -> None:
    assert isinstance(network_of(tiny[0]), SamNetwork)


def test_an_unreadable_image_does_not_affect_the_others(fast: Engine) -> None:
    bad, good = segment(fast, SegmentRequest(b"no image", INSTANCES), SegmentRequest(bright_square(50, 20), INSTANCES))
    assert bad.report.error_code == "image_unreadable"
    assert good.report.error_code is None
