"""EfficientViT-SAM's encoder: the published form against its definition, the fused form against the published."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fixtures.images.encoded_images import bright_square
from fixtures.models.random_parameters import noise, randomised
from samfleet.variants.catalogue import get_variant
from samfleet.variants.conventions import PromptRules
from samfleet.variants.task import EverythingParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_models.checkpoints.loading import file_sha256
from samfleet_models.images.processor import ImageProcessor
from samfleet_models.modeling.common import LayerNorm2d
from samfleet_models.modeling.image_encoders.efficientvit import EfficientVit, EfficientVitSizes, at_side
from samfleet_models.modeling.image_encoders.efficientvit_blocks import LinearAttention
from samfleet_models.modeling.image_encoders.efficientvit_fused import FusedLinearAttention, fuse_efficientvit
from samfleet_models.networks.registry import build_network
from samfleet_models.serving.engine import Engine, EngineSettings

TOLERANCE = 1e-5  # of values of about one
SIZES = {
    "l": EfficientVitSizes(
        widths=(4, 8, 8, 8, 16),
        depths=(1, 1, 1, 2, 2),
        blocks=("res", "fmb", "fmb", "mb", "att"),
        expansions=(1, 2, 2, 2, 3),
        fewer_norms=(False, False, False, True, True),
        neck_stages=(4, 3, 2),
        neck_depth=2,
        neck_expansion=1,
        attention_dim=4,
        embedding_side=16,
    ),
    "xl": EfficientVitSizes(
        widths=(4, 8, 8, 8, 8, 16),
        depths=(0, 1, 1, 1, 1, 1),
        blocks=("res", "fmb", "fmb", "fmb", "att@3", "att@3"),
        expansions=(1, 2, 2, 2, 2, 3),
        fewer_norms=(False, False, False, False, True, True),
        neck_stages=(5, 4, 3),
        neck_depth=1,
        neck_expansion=4,
        attention_dim=4,
        embedding_side=8,
    ),
}


@torch.inference_mode()
@pytest.mark.parametrize("name", list(SIZES))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_fused_encoder_equals_the_published_one(name: str, dtype: torch.dtype) -> None:
    encoder = EfficientVit(SIZES[name])
    randomised(encoder).to(dtype)
    pixels = noise(2, 3, 128, 128).to(dtype)
    published = encoder(pixels)
    assert published.shape == (2, 256, SIZES[name].embedding_side, SIZES[name].embedding_side)
    tolerance = TOLERANCE if dtype == torch.float32 else 1e-10
    fused = fuse_efficientvit(encoder, 128)
    torch.testing.assert_close(fused(pixels), published, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(fused(pixels), published, atol=tolerance, rtol=tolerance)  # nothing is overwritten


def test_every_norm_has_the_epsilon_that_the_model_zoo_sets() -> None:
    """This includes the norms of the two-way transformer, which have torch's epsilon in other families."""
    with torch.device("meta"):
        network = build_network(get_variant("efficientvit_sam_l0"))
        others = build_network(get_variant("mobile_sam"))
    kinds = (nn.BatchNorm2d, nn.LayerNorm, LayerNorm2d)
    assert {norm.eps for norm in network.modules() if isinstance(norm, kinds)} == {1e-6}
    assert others.mask_decoder.transformer.norm_final_attn.eps == 1e-5


def test_prompts_and_masks_of_a_small_input_are_in_the_large_frame() -> None:
    processor = ImageProcessor.of(get_variant("efficientvit_sam_l0"))
    frame = processor.frame(300, 600)
    assert processor.resize(np.zeros((300, 600, 3), np.uint8)).shape == (256, 512, 3)
    assert (frame.input_size, frame.resized) == (1024, (512, 1024))
    with torch.device("meta"):
        assert build_network(get_variant("efficientvit_sam_l0")).prompt_encoder.embedding_size == 64


@torch.inference_mode()
def test_attention_weights_are_rectified_products() -> None:
    attention = randomised(LinearAttention(8, 4, 3))
    assert isinstance(attention, LinearAttention)
    qkv = noise(2, 2 * 8 * 3, 5, 6)
    out = attention._attend(qkv).flatten(2)
    for head in range(4):
        q, k, v = qkv[:, 12 * head : 12 * head + 12].flatten(2).chunk(3, dim=1)  # [B, 4, N]
        weights = torch.einsum("bcn,bcm->bnm", q.relu(), k.relu())
        expected = torch.einsum("bnm,bcm->bcn", weights / (weights.sum(2, keepdim=True) + 1e-15), v)
        torch.testing.assert_close(out[:, 4 * head : 4 * head + 4], expected, atol=TOLERANCE, rtol=TOLERANCE)


@torch.inference_mode()
def test_a_token_that_attends_to_nothing_gets_zeros() -> None:
    attention = LinearAttention(8, 4, 3)
    silent = torch.full((1, 2 * 8 * 3, 4, 4), -1.0)
    assert not attention._attend(silent).any()
    assert not FusedLinearAttention(attention)._attend(silent).any()


@torch.inference_mode()
def test_sums_over_the_image_exceed_half_precision() -> None:
    attention = FusedLinearAttention(LinearAttention(8, 4, 3)).half()
    out = attention._attend(torch.full((1, 2 * 8 * 3, 32, 32), 20.0, dtype=torch.float16))
    torch.testing.assert_close(out, torch.full_like(out, 20.0))


def test_an_engine_segments_in_the_larger_frame(tmp_path: Path) -> None:
    official = get_variant("efficientvit_sam_l0")
    path = tmp_path / "small.pt"
    record = replace(
        official,
        name="small",
        architecture=asdict(replace(SIZES["l"], embedding_side=4)),
        input_size=32,
        conventions=replace(official.conventions, prompts=PromptRules(frame_size=64)),
    )
    torch.save({"state_dict": randomised(build_network(record)).state_dict()}, path)
    record = replace(record, checkpoint=replace(record.checkpoint, sha256=file_sha256(path)))
    engine = Engine(record, path, EngineSettings(device="cpu"))
    grid = EverythingParameters(
        points_per_side=2, pred_iou_thresh=-100.0, stability_score_thresh=0.0, box_nms_thresh=1.0, crop_n_layers=1
    )
    ((_, reply),) = engine.segment([SegmentRequest(bright_square(50, 20), grid)])
    engine.close()
    assert reply.report.error_code is None
    assert {mask.size for mask in reply.masks} == {(20, 50)}


def test_a_feature_map_of_the_right_side_is_unchanged() -> None:
    grid = noise(1, 2, 8, 8)
    torch.testing.assert_close(
        at_side(grid, 8),
        nn.functional.interpolate(grid, (8, 8), mode="bicubic", align_corners=False),
        atol=0.0,
        rtol=0.0,
    )
