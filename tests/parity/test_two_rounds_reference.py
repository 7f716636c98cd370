"""The second round of the hierarchical sampler against TinySAM's rule, on low-resolution logits or whole masks."""

from __future__ import annotations

import pytest
import torch

from fixtures.models.mobile_sam_engine import mobile_sam, sam_network
from fixtures.models.shared_data import shared_path, weights_dir
from reference.plain_heads import PlainHeads
from reference.plain_two_rounds import points_left
from samfleet.variants.task import EverythingParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_models.checkpoints.loading import read_state
from samfleet_models.images.decode import read_image
from samfleet_models.images.transforms import ImageFrame, resize_to_frame, to_network_input
from samfleet_models.serving.engine import Engine

__all__ = ["mobile_sam"]


@torch.inference_mode()
@pytest.mark.parametrize("high_score_thresh", [8.5, 2.0])
def test_the_second_round_has_the_points_that_the_rule_of_tinysam_leaves(
    mobile_sam: Engine, high_score_thresh: float
) -> None:
    parameters = EverythingParameters(
        points_per_side=8, sampler="hierarchical", hierarchical_coarse_factor=2, high_score_thresh=high_score_thresh
    )
    file = shared_path("data", "coco_dev", "images", "000000005001.jpg").read_bytes()
    record = mobile_sam.record
    image = read_image(file)
    height, width, _ = image.shape
    frame = ImageFrame.of(height, width, record.input_size)
    pixels = to_network_input(
        [resize_to_frame(image, frame)], record.input_size, record.conventions.preprocessing, torch.device("cpu")
    )
    heads = PlainHeads(read_state(weights_dir() / record.checkpoint.filename), record.input_size)
    left = points_left(sam_network(mobile_sam).encode(pixels)[0], heads.multimask, frame, parameters)
    ((_, reply),) = mobile_sam.segment([SegmentRequest(file, parameters)])
    print(f"{len(left)} of 64 points are left")
    assert 0 < len(left) < 64
    assert reply.report.prompts_decoded == 16 + len(left)
    first = {(width * (i + 0.5) / 4, height * (j + 0.5) / 4) for i in range(4) for j in range(4)}
    asked = [*map(tuple, left.tolist()), *first]
    for mask in reply.masks:
        assert any(mask.point_coords == pytest.approx(point, abs=1e-3) for point in asked)
