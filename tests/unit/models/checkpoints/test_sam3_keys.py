"""Mapping of SAM 3's and EfficientSAM3's published keys to our network."""

from __future__ import annotations

import pytest
import torch

from samfleet.variants.catalogue import get_variant
from samfleet_models.checkpoints.loading import CheckpointMismatch
from samfleet_models.checkpoints.sam3_keys import (
    image_path_of_sam3,
    own_key_of_efficient_sam3,
    own_key_of_sam3,
    own_key_of_transformers,
)
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork

VISION = "detector.backbone.vision_backbone."
BACKBONE = "detector_model.vision_encoder.backbone."


@pytest.mark.parametrize(
    ("official", "own"),
    [
        (f"{VISION}trunk.pos_embed", "image_encoder.trunk.pos_embed"),
        (f"{VISION}trunk.blocks.7.attn.qkv.bias", "image_encoder.trunk.blocks.7.attn.qkv.bias"),
        (f"{VISION}sam2_convs.0.dconv_2x2_1.weight", "image_encoder.sam2_convs.0.dconv_2x2_1.weight"),
        ("tracker.no_mem_embed", "image_encoder.no_mem_embed"),
        ("tracker.sam_mask_decoder.conv_s1.bias", "image_encoder.conv_s1.bias"),
        (
            "tracker.sam_mask_decoder.transformer.layers.1.mlp.layers.1.bias",
            "mask_decoder.transformer.layers.1.mlp.lin2.bias",
        ),
        ("tracker.sam_prompt_encoder.point_embeddings.3.weight", "prompt_encoder.point_embeddings.3.weight"),
    ],
)
def test_official_keys_are_mapped(official: str, own: str) -> None:
    assert own_key_of_sam3(official) == own
    assert own_key_of_efficient_sam3(official) == own


@pytest.mark.parametrize(
    ("official", "own"),
    [
        ("trunk.model.backbone.model.features.0.0.c.weight", "image_encoder.trunk.backbone.features.0.0.c.weight"),
        ("trunk.model.backbone.model.stages.0.op_list.0.x", "image_encoder.trunk.backbone.stages.0.op_list.0.x"),
        ("trunk.model.head.3.bias", "image_encoder.trunk.head.3.bias"),
    ],
)
def test_the_wrappers_of_a_student_are_dropped(official: str, own: str) -> None:
    assert own_key_of_efficient_sam3(VISION + official) == own


@pytest.mark.parametrize(
    ("key", "own"),
    [
        (f"{BACKBONE}embeddings.patch_embeddings.projection.weight", "image_encoder.trunk.patch_embed.proj.weight"),
        (f"{BACKBONE}layer_norm.bias", "image_encoder.trunk.ln_pre.bias"),
        (f"{BACKBONE}layers.3.layer_norm2.weight", "image_encoder.trunk.blocks.3.norm2.weight"),
        (f"{BACKBONE}layers.3.attention.o_proj.bias", "image_encoder.trunk.blocks.3.attn.proj.bias"),
        (f"{BACKBONE}layers.3.mlp.fc1.bias", "image_encoder.trunk.blocks.3.mlp.fc1.bias"),
        ("tracker_neck.fpn_layers.0.scale_layers.2.bias", "image_encoder.sam2_convs.0.dconv_2x2_1.bias"),
        ("tracker_neck.fpn_layers.1.scale_layers.0.bias", "image_encoder.sam2_convs.1.dconv_2x2.bias"),
        ("tracker_neck.fpn_layers.2.proj2.weight", "image_encoder.sam2_convs.2.conv_3x3.weight"),
        ("tracker_model.no_memory_embedding", "image_encoder.no_mem_embed"),
        ("tracker_model.mask_decoder.conv_s0.weight", "image_encoder.conv_s0.weight"),
        (
            "tracker_model.mask_decoder.pred_obj_score_head.proj_out.bias",
            "mask_decoder.pred_obj_score_head.layers.2.bias",
        ),
        (
            "tracker_model.mask_decoder.transformer.layers.0.mlp.proj_in.bias",
            "mask_decoder.transformer.layers.0.mlp.lin1.bias",
        ),
        (
            "tracker_model.mask_decoder.transformer.layers.1.cross_attn_image_to_token.o_proj.bias",
            "mask_decoder.transformer.layers.1.cross_attn_image_to_token.out_proj.bias",
        ),
        (
            "tracker_model.shared_image_embedding.positional_embedding",
            "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
        ),
    ],
)
def test_keys_of_transformers_are_mapped(key: str, own: str) -> None:
    assert own_key_of_transformers(key) == own


def test_only_parts_for_text_and_video_are_dropped() -> None:
    kept = [f"{VISION}trunk.ln_pre.bias", f"{VISION}sam2_convs.2.conv_1x1.bias", "tracker.no_mem_embed", "extra.weight"]
    dropped = [
        f"{VISION}trunk.blocks.11.attn.freqs_cis",
        f"{VISION}sam2_convs.3.conv_1x1.bias",
        f"{VISION}convs.0.conv_1x1.bias",
        "detector.backbone.language_backbone.resizer.bias",
        "detector.geometry_encoder.label_embed.weight",
        "tracker.no_mem_pos_enc",
        "tracker.transformer.encoder.norm.bias",
    ]
    table = {key: torch.zeros(1) for key in (*kept, *dropped)}
    assert list(image_path_of_sam3(table)) == kept
    wrapped = {f"{VISION}trunk.model.backbone.model.student_trunk.head.0.weight": torch.zeros(1)}
    assert list(image_path_of_sam3(wrapped)) == [f"{VISION}trunk.model.backbone.model.head.0.weight"]


def meta_network() -> SamNetwork:
    with torch.device("meta"):
        return build_network(get_variant("sam3_tracker"))


def official_shapes(network: SamNetwork) -> dict[str, tuple[int, ...]]:
    """Return shapes of the official file that its code states (sam3/model_builder.py), one or two of each part."""
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    stated = {
        "image_encoder.trunk.pos_embed": (1, 577, 1024),
        "image_encoder.trunk.patch_embed.proj.weight": (1024, 3, 14, 14),
        "image_encoder.trunk.blocks.31.mlp.fc1.weight": (4736, 1024),
        "image_encoder.trunk.blocks.31.attn.qkv.weight": (3072, 1024),
        "image_encoder.sam2_convs.0.dconv_2x2_0.weight": (1024, 512, 2, 2),
        "image_encoder.sam2_convs.0.dconv_2x2_1.weight": (512, 256, 2, 2),
        "image_encoder.sam2_convs.1.conv_1x1.weight": (256, 512, 1, 1),
        "image_encoder.sam2_convs.2.conv_1x1.weight": (256, 1024, 1, 1),
        "image_encoder.no_mem_embed": (1, 1, 256),
    }
    assert {key: shapes[key] for key in stated} == stated
    return shapes


def test_a_missing_part_is_reported() -> None:
    network = meta_network()
    shapes = official_shapes(network)
    network.check_published(shapes)
    del shapes["image_encoder.conv_s0.bias"]
    with pytest.raises(CheckpointMismatch, match=r"1 missing: image_encoder\.conv_s0\.bias"):
        network.check_published(shapes)


def test_attention_of_transformers_needs_all_three_parts() -> None:
    start = f"{BACKBONE}layers.0.attention."
    parts = {f"{start}{part}_proj.bias": torch.full((2,), float(row)) for row, part in enumerate("qkv")}
    (joined,) = image_path_of_sam3(parts).values()
    assert joined.tolist() == [0, 0, 1, 1, 2, 2]
    del parts[f"{start}k_proj.bias"]
    assert list(image_path_of_sam3(parts)) == [f"image_encoder.trunk.blocks.0.attn.{part}_proj.bias" for part in "qv"]
