"""Reference implementations used to measure the engine give the same masks with the same weights."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from fixtures.images.encoded_images import encoded
from fixtures.images.scenes import scene
from fixtures.models.drawn_masks import decode_all
from fixtures.models.mobile_sam_engine import mobile_sam, sam_network
from fixtures.models.shared_data import shared_path, weights_dir
from fixtures.models.tiny_variant import tiny, tiny_engine
from reference.official_generator import OfficialGenerator, point_prompts
from reference.plain_heads import PlainHeads
from reference.transformers_heads import TransformersHeads, WeightsDoNotFit
from samfleet.variants.catalogue import get_variant
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, task_from_dict
from samfleet.wire.messages import SegmentRequest
from samfleet_models.checkpoints.loading import read_state
from samfleet_models.device.timing import StageClock
from samfleet_models.images.decode import read_image
from samfleet_models.mask_generation.point_grid import point_grid
from samfleet_models.serving.engine import Engine

__all__ = ["mobile_sam", "tiny", "tiny_engine"]

CPU = torch.device("cpu")
TOLERANCE = 1e-3
SAME_MASK = 0.99  # single pixels may flip next to a zero logit
SAME_SHARE = 0.95
NO_FILTER: dict[str, Any] = {
    "pred_iou_thresh": -1.0,
    "stability_score_thresh": 0.0,
    "box_nms_thresh": 1.0,
    "crop_nms_thresh": 1.0,
}
State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def official() -> State:
    return read_state(weights_dir() / get_variant("mobile_sam").checkpoint.filename)


def generator(state: State, engine: Engine) -> OfficialGenerator:
    record = engine.record
    heads = PlainHeads(state, record.input_size)
    return OfficialGenerator(
        sam_network(engine).image_encoder, heads.multimask, record.input_size, record.conventions.preprocessing, CPU
    )


@torch.inference_mode()
def test_the_plain_decoder_and_that_of_transformers_agree_with_the_engine(mobile_sam: Engine, official: State) -> None:
    image = torch.rand(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(0))
    embedding = sam_network(mobile_sam).encode(image)[0]
    coords, labels = point_prompts(point_grid(3) * 1024, CPU)
    logits, ious = decode_all(sam_network(mobile_sam), embedding, coords, labels)
    for heads in (PlainHeads(official, 1024), TransformersHeads(official, 1024)):
        theirs = heads.multimask(embedding, coords, labels)
        worst = [float((a[:, -3:] - b).abs().max()) for a, b in zip((logits, ious), theirs, strict=True)]
        print(f"{type(heads).__name__}: logits differ by at most {worst[0]:.1e}, IoUs by {worst[1]:.1e}")
        assert max(worst) <= TOLERANCE


def test_weights_that_do_not_cover_the_heads_of_transformers_are_refused(official: State) -> None:
    incomplete = {key: value for key, value in official.items() if "iou_token" not in key}
    with pytest.raises(WeightsDoNotFit, match="iou_token"):
        TransformersHeads(incomplete, 1024)


@pytest.mark.parametrize("layers", [0, 1])
def test_the_reference_gives_the_masks_of_the_engine(
    tiny: tuple[VariantRecord, Any], tiny_engine: Engine, layers: int
) -> None:
    parameters = EverythingParameters(points_per_side=5, crop_n_layers=layers, **NO_FILTER)
    image = encoded(scene())
    theirs = generator(read_state(tiny[1]), tiny_engine).generate(read_image(image), parameters, StageClock(CPU))
    ((_, reply),) = tiny_engine.segment([SegmentRequest(image, parameters)])
    ours = [mask.to_dict() for mask in reply.masks]
    assert len(theirs) > 3
    assert len(ours) == len(theirs)
    assert np.mean(best_ious(ours, theirs) >= SAME_MASK) >= SAME_SHARE
    for name in ("predicted_iou", "stability_score", "area", "point_coords", "crop_box"):
        mine, other = (np.sort(np.array([mask[name] for mask in masks]), axis=0) for masks in (ours, theirs))
        np.testing.assert_allclose(mine, other, rtol=1e-3)


def best_ious(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> NDArray[np.float64]:
    """Return for each of their masks the IoU with the most similar of ours."""
    codes = [[mask["segmentation"] for mask in masks] for masks in (ours, theirs)]
    table: NDArray[np.float64] = np.asarray(coco_mask.iou(codes[0], codes[1], [0] * len(theirs)))
    return np.asarray(table.max(axis=0))


@pytest.mark.heavy
def test_the_reference_gives_the_official_masks(mobile_sam: Engine, official: State) -> None:
    reference = json.loads(shared_path("ref", "dev", "amg", "000000005001_pps8_crop1.json").read_text())
    settings = reference["header"]["settings"]
    given = {name: value for name, value in settings.items() if name not in {"output_mode", "points_per_batch"}}
    parameters = task_from_dict({"kind": "everything", **given})
    assert isinstance(parameters, EverythingParameters)
    image = shared_path("data", "coco_dev", "images", reference["header"]["file_name"]).read_bytes()
    ours = generator(official, mobile_sam).generate(read_image(image), parameters, StageClock(CPU))
    assert len(ours) == len(reference["masks"])
    ious = best_ious(ours, reference["masks"])
    print(f"{np.mean(ious == 1.0):.1%} of {len(ious)} masks identical, worst match {ious.min():.4f}")
    assert np.mean(ious >= SAME_MASK) >= SAME_SHARE
