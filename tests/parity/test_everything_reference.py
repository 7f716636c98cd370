"""SegEvery against the official automatic mask generator with the real MobileSAM weights (../shared/ref)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from scipy.optimize import linear_sum_assignment

from fixtures.models.mobile_sam_engine import mobile_sam
from fixtures.models.shared_data import shared_path
from samfleet.variants.task import EverythingParameters, task_from_dict
from samfleet.wire.messages import SegmentRequest
from samfleet_models.serving.engine import Engine

__all__ = ["mobile_sam"]

MATCH_IOU = 0.99
MATCHED_SHARE = 0.99
REFERENCES = [
    "000000005001_pps8_crop1",
    *(
        pytest.param(name, marks=pytest.mark.heavy)
        for name in (
            "000000005001_pps16",
            "000000005001_pps16_minarea100",
            "000000005001_pps32",
            "000000006818_pps16",
            "000000006818_pps32",
            "000000030213_pps16",
            "000000041888_pps16",
            "000000055299_pps16",
            "000000058636_pps16",
        )
    ),
]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", REFERENCES)
def test_masks_equal_the_official_ones(mobile_sam: Engine, name: str) -> None:
    reference = json.loads(shared_path("ref", "dev", "amg", f"{name}.json").read_text())
    header, official = reference["header"], reference["masks"]
    image = shared_path("data", "coco_dev", "images", header["file_name"]).read_bytes()
    ((_, reply),) = mobile_sam.segment([SegmentRequest(image, parameters_of(header["settings"]))])
    ours = [mask.to_dict() for mask in reply.masks]
    ious = matched_ious(ours, official)
    identical = sum(a["segmentation"] == b["segmentation"] for a, b in zip(ours, official, strict=False))
    print(
        f"{name}: {len(ours)} masks, official {len(official)}, {identical} identical in place, "
        f"matched {np.mean(ious >= MATCH_IOU):.2%}, worst match IoU {ious.min():.5f}"
    )
    assert np.mean(ious >= MATCH_IOU) >= MATCHED_SHARE
    assert abs(len(ours) - len(official)) <= max(1, 0.01 * len(official))
    assert {mask.size for mask in reply.masks} == {(header["height"], header["width"])}
    assert set(ours[0]) == set(official[0])


def parameters_of(settings: dict[str, Any]) -> EverythingParameters:
    given = {name: value for name, value in settings.items() if name not in {"output_mode", "points_per_batch"}}
    task = task_from_dict({"kind": "everything", **given})
    assert isinstance(task, EverythingParameters)
    return task


def matched_ious(ours: list[dict[str, Any]], official: list[dict[str, Any]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the IoU of each official mask with its partner in the best one-to-one matching; 0 without a partner."""
    codes = [[mask["segmentation"] for mask in masks] for masks in (ours, official)]
    table = np.asarray(coco_mask.iou(codes[0], codes[1], [0] * len(official)))
    rows, columns = linear_sum_assignment(-table)
    ious = np.zeros(len(official))
    ious[columns] = table[rows, columns]
    return ious
