"""MobileSAMv2 as a whole, tiny and with random weights, against a plain reference composed of verified parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fixtures.images.encoded_images import encoded
from fixtures.models.random_parameters import noise
from fixtures.models.tiny_families import SIDE, TINY_VIT, written
from fixtures.models.tiny_yolo import tiny_record, tiny_yolo
from reference.plain_heads import PlainHeads
from reference.plain_mobile_sam_v2 import PlainMobileSamV2
from samfleet.masks.rle import decode_mask
from samfleet.variants.catalogue import get_variant
from samfleet.wire.messages import SegmentRequest
from samfleet_models.modeling.transformer import DIM
from samfleet_models.networks.registry import build_network
from samfleet_models.serving.engine import Engine, EngineSettings
from samfleet_models.tools.stand_ins import random_state

MATRIX = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
TASK = replace(get_variant("mobilesamv2").everything, max_detections=40)
SIZES = [(90, 60), (60, 97), (300, 40)]  # width, height
TURNING_PIXELS = 2  # next to a logit of zero


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, PlainMobileSamV2]]:
    folder = tmp_path_factory.mktemp("mobilesamv2")
    detector, _ = tiny_record("mobilesamv2_object_aware", folder, prototypes=False)
    untrained = replace(get_variant("mobile_sam"), name="tiny", architecture=TINY_VIT, input_size=SIDE)
    network = build_network(untrained)
    state = random_state(network) | {MATRIX: noise(2, DIM // 2)}  # a new matrix is zero, and boxes would mean nothing
    network.load_published(state)
    segmenter, path = written(untrained, state, folder)
    record = replace(
        get_variant("mobilesamv2"),
        architecture=segmenter.architecture,
        checkpoint=segmenter.checkpoint,
        input_size=SIDE,
        companions={"detector": detector.checkpoint},
        detector=detector,
    )
    heads = PlainHeads(state, SIDE)
    plain = PlainMobileSamV2(tiny_yolo(prototypes=False), detector.input_size, network.image_encoder, heads, SIDE)
    engine = Engine(record, path, EngineSettings(device="cpu"))
    yield engine, plain
    engine.close()


def picture(width: int, height: int) -> NDArray[np.uint8]:
    """Return RGB noise in blocks, whose channels differ, so that a swapped order of channels changes every box."""
    drawn = np.random.default_rng(width).integers(0, 256, (height // 10 + 1, width // 10 + 1, 3), dtype=np.uint8)
    drawn[..., 2] //= 3
    return drawn.repeat(10, axis=0).repeat(10, axis=1)[:height, :width]


@pytest.mark.parametrize("size", SIZES)
def test_masks_and_their_order_equal_those_of_the_script(
    both: tuple[Engine, PlainMobileSamV2], size: tuple[int, int]
) -> None:
    engine, plain = both
    image = picture(*size)
    masks, ious = plain.segment(image, TASK)
    ((_, reply),) = engine.segment([SegmentRequest(encoded(Image.fromarray(image)), TASK)])
    assert reply.report.error_code is None
    assert len(reply.masks) == len(masks) > 3
    shares = masks.float().mean((1, 2))
    assert ((shares > 0.05) & (shares < 0.95)).sum() > 3  # masks that other boxes would change
    assert len(set(shares.tolist())) > 3
    for own, mask, iou in zip(reply.masks, masks.numpy(), ious.tolist(), strict=True):
        assert np.count_nonzero(decode_mask(own.counts, own.size) != mask) <= TURNING_PIXELS
        assert own.predicted_iou == pytest.approx(iou, abs=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_the_comparison_would_notice_other_boxes(both: tuple[Engine, PlainMobileSamV2], size: tuple[int, int]) -> None:
    """The channels in another order, as a detector that takes RGB would see them, give other boxes."""
    _, plain = both
    image = picture(*size)
    found, other = plain.boxes(image, TASK), plain.boxes(image[:, :, ::-1].copy(), TASK)
    assert found.shape != other.shape or np.abs(found - other).max() > 1
