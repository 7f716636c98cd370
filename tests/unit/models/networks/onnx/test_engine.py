from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from fixtures.images.encoded_images import bright_square
from fixtures.models.onnx_pairs import SIDE, onnx_variant
from samfleet.variants.execution import Execution
from samfleet.variants.graphs import DIALECTS, Dialect, Layout, MaskCount
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.checkpoints.loading import CheckpointHashMismatch
from samfleet_models.networks.onnx.graph import GraphMismatch
from samfleet_models.networks.onnx.network import GraphExecutionFixed
from samfleet_models.serving.engine import Engine, EngineSettings


@contextmanager
def engine_of(variant: tuple[VariantRecord, Path], execution: str = "fp32") -> Iterator[Engine]:
    settings = EngineSettings(device="cpu", execution=Execution.parse(execution), ungated=True)
    engine = Engine(*variant, settings)
    yield engine
    engine.close()


def segment(variant: tuple[VariantRecord, Path], *requests: SegmentRequest) -> list[SegmentReply]:
    with engine_of(variant) as engine:
        replies = dict(engine.segment(requests))
    return [replies[position] for position in range(len(requests))]


def box_request(
    width: int, height: int, *, multimask: bool = False, masks: int = 1, answer: Literal["best", "all"] = "best"
) -> SegmentRequest:
    prompt = Prompt(box=(0.0, 0.0, float(width), float(height)), multimask=multimask)
    return SegmentRequest(bright_square(width, height), PromptsParameters(answer), (prompt,) * masks)


BOXED = [name for name, dialect in DIALECTS.items() if dialect.prompts.boxes]


@pytest.mark.parametrize("name", BOXED)
@pytest.mark.parametrize("prompts", [1, "prompts"])
def test_boxes_find_the_bright_square_in_images_of_a_batch(tmp_path: Path, name: str, prompts: int | str) -> None:
    variant = onnx_variant(tmp_path, DIALECTS[name], prompts=prompts)
    replies = segment(variant, box_request(200, 160, masks=3), box_request(90, 120))
    for reply, (width, height), count in zip(replies, [(200, 160), (90, 120)], [3, 1], strict=True):
        assert reply.report.error_code is None
        assert [mask.prompt_index for mask in reply.masks] == list(range(count))
        side = 2 * (min(width, height) // 4)
        assert reply.masks[0].area == pytest.approx(side**2, rel=0.15)
        assert reply.masks[0].size == (height, width)
        x, y, *_ = reply.masks[0].bbox
        assert (x, y) == pytest.approx((width // 2 - side // 2, height // 2 - side // 2), abs=6)


@pytest.mark.parametrize("name", DIALECTS)
def test_points_find_the_bright_square(tmp_path: Path, name: str) -> None:
    points = (Prompt(points=((99.0, 80.0),), labels=(1,)), Prompt(points=((99.0, 80.0), (9.0, 9.0)), labels=(1, 0)))
    request = SegmentRequest(bright_square(200, 160), PromptsParameters(), points)
    (reply,) = segment(onnx_variant(tmp_path, DIALECTS[name], prompts="prompts"), request)
    assert [mask.prompt_index for mask in reply.masks] == [0, 1]
    for mask in reply.masks:
        assert mask.area == pytest.approx(80**2, rel=0.15)


def test_a_dialect_without_boxes_refuses_them(tmp_path: Path) -> None:
    (reply,) = segment(onnx_variant(tmp_path, DIALECTS["transformers_sam"]), box_request(80, 80))
    assert (reply.masks, reply.report.error_code) == ((), "prompt_unsupported")
    assert "takes no boxes; use points" in str(reply.report.error_message)


@pytest.mark.parametrize(
    ("count", "single", "multi"), [(4, [0.5], [0.6, 0.9, 0.7]), (3, [0.9], None), (1, [0.9], [0.9])]
)
def test_the_mask_count_decides_which_masks_are_returned(
    tmp_path: Path, count: MaskCount, single: list[float], multi: list[float] | None
) -> None:
    dialect = DIALECTS["edgesam"]
    variant = onnx_variant(tmp_path, replace(dialect, decoder=replace(dialect.decoder, mask_count=count)))
    best = box_request(80, 80, answer="all")  # an unambiguous prompt still has one mask
    one, all_three = segment(variant, best, box_request(80, 80, multimask=True, answer="all"))
    assert [mask.predicted_iou for mask in one.masks] == pytest.approx(single)
    assert [mask.predicted_iou for mask in all_three.masks] == pytest.approx(multi or [0.6, 0.9, 0.7])


@pytest.mark.parametrize("layout", ["nchw", "nhwc", "hwc"])
def test_encoders_take_any_layout(tmp_path: Path, layout: Layout) -> None:
    dialect = DIALECTS["sam"]
    variant = onnx_variant(tmp_path, replace(dialect, encoder=replace(dialect.encoder, layout=layout)))
    (reply,) = segment(variant, box_request(SIDE, SIDE))
    assert reply.masks[0].area == pytest.approx((SIDE // 2) ** 2, rel=0.15)


def test_segevery_runs_with_a_grid_and_crops(tmp_path: Path) -> None:
    task = EverythingParameters(points_per_side=3, crop_n_layers=1, pred_iou_thresh=0.8, stability_score_thresh=0)
    (reply,) = segment(onnx_variant(tmp_path, DIALECTS["sam2"]), SegmentRequest(bright_square(128, 128), task))
    assert reply.report.error_code is None
    assert reply.masks
    assert {round(mask.predicted_iou, 3) for mask in reply.masks} == {0.9}


def test_a_mismatched_pair_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    record, path = onnx_variant(tmp_path, DIALECTS["edgesam"])
    wrong: Dialect = DIALECTS["efficientvit"]
    other = replace(record, architecture={"encoder": wrong.encoder, "decoder": wrong.decoder})
    with pytest.raises(GraphMismatch, match="takes image and gives image_embeddings"), engine_of((other, path)):
        pass


def test_the_hash_of_the_decoder_is_checked_too(tmp_path: Path) -> None:
    record, path = onnx_variant(tmp_path, DIALECTS["edgesam"])
    (tmp_path / "decoder.onnx").write_bytes(path.read_bytes())
    with pytest.raises(CheckpointHashMismatch, match=r"decoder\.onnx has sha256"), engine_of((record, path)):
        pass


def test_another_precision_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(GraphExecutionFixed, match="exported"),
        engine_of(onnx_variant(tmp_path, DIALECTS["sam"]), "bf16"),
    ):
        pass
