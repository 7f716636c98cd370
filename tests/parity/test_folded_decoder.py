"""The folded decoder against the plain one with the real MobileSAM weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from fixtures.models.drawn_masks import decode_all
from fixtures.models.mobile_sam_engine import mobile_sam, sam_network
from fixtures.models.shared_data import shared_path, weights_dir
from reference.plain_decoder import MULTI
from reference.plain_heads import PlainHeads
from reference.transformers_heads import TransformersHeads
from samfleet.masks.rle import encode_mask
from samfleet.variants.catalogue import get_variant
from samfleet.variants.task import PromptMask
from samfleet_models.checkpoints.loading import read_state
from samfleet_models.images.decode import read_image
from samfleet_models.images.transforms import ImageFrame, resize_to_frame, to_network_input
from samfleet_models.mask_generation.mask_prompts import mask_logits
from samfleet_models.modeling.prompt_encoder import Label
from samfleet_models.serving.engine import Engine

__all__ = ["mobile_sam"]

# Absolute, in logits of up to 434. From the plain decoder in float64, these cases are off by up to 8e-4 in plain
# float32 and by up to 1.5e-3 folded, with torch's operators and with each set of kernels alike.
LOGIT_TOLERANCE = 2e-3
IOU_TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def plain() -> PlainHeads:
    record = get_variant("mobile_sam")
    return PlainHeads(read_state(weights_dir() / record.checkpoint.filename), record.input_size)


@pytest.fixture(scope="module", params=["000000005001", "000000006818"])
def embedding(request: pytest.FixtureRequest, mobile_sam: Engine) -> Tensor:
    image = read_image(shared_path("data", "coco_dev", "images", f"{request.param}.jpg").read_bytes(), 10**8)
    record = mobile_sam.record
    frame = ImageFrame.of(image.shape[0], image.shape[1], record.input_size)
    with torch.inference_mode():
        resized = [resize_to_frame(image, frame)]
        pixels = to_network_input(resized, record.input_size, record.conventions.preprocessing, mobile_sam.device)
        return sam_network(mobile_sam).encode(pixels)[0]


@torch.inference_mode()
@pytest.mark.parametrize(
    "labels",
    [
        (Label.FOREGROUND, Label.PADDING),
        (Label.BOX_TOP_LEFT, Label.BOX_BOTTOM_RIGHT),
        (Label.FOREGROUND, *[Label.BACKGROUND] * 8, Label.PADDING),
        (Label.FOREGROUND, Label.BOX_TOP_LEFT, Label.BOX_BOTTOM_RIGHT),
    ],
)
def test_all_masks_and_scores_equal_those_of_the_plain_decoder(
    mobile_sam: Engine, plain: PlainHeads, embedding: Tensor, labels: Sequence[Label]
) -> None:
    coords = 1024 * torch.rand(9, len(labels), 2, generator=torch.Generator().manual_seed(len(labels)))
    kinds = torch.tensor(labels).expand(len(coords), -1)
    expected, expected_ious = plain(embedding, coords, kinds)
    logits, ious = decode_all(sam_network(mobile_sam), embedding, coords, kinds)
    worst, worst_iou = (logits - expected).abs().max().item(), (ious - expected_ious).abs().max().item()
    print(f"logits of up to {expected.abs().max():.1f} differ by at most {worst:.1e}, IoUs by {worst_iou:.1e}")
    assert worst <= LOGIT_TOLERANCE
    assert worst_iou <= IOU_TOLERANCE


@torch.inference_mode()
def test_masks_of_mask_prompts_equal_those_of_transformers(mobile_sam: Engine, embedding: Tensor) -> None:
    record = mobile_sam.record
    size = (300, 400)
    drawn = np.zeros(size, dtype=bool)
    drawn[60:180, 90:250] = True
    mask = mask_logits(PromptMask(size, encode_mask(drawn)), ImageFrame.of(*size, 1024), 256)
    coords = 700 * torch.rand(3, 2, 2, generator=torch.Generator().manual_seed(0))
    kinds = torch.tensor((Label.FOREGROUND, Label.PADDING)).expand(3, -1)
    heads = TransformersHeads(read_state(weights_dir() / record.checkpoint.filename), record.input_size)
    expected, expected_ious = heads.multimask(embedding, coords, kinds, mask)
    logits, ious = decode_all(sam_network(mobile_sam), embedding, coords, kinds, mask)
    assert (logits[:, MULTI] - expected).abs().max().item() <= LOGIT_TOLERANCE
    assert (ious[:, MULTI] - expected_ious).abs().max().item() <= IOU_TOLERANCE
    without, _ = heads.multimask(embedding, coords, kinds)
    assert (without - expected).abs().max().item() > 1
