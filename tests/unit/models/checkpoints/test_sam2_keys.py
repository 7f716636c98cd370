"""Mapping of official keys of the SAM 2 line to our network."""

from __future__ import annotations

import pytest

from samfleet_models.checkpoints.sam2_keys import own_key_of_sam2
from samfleet_models.checkpoints.sam2_memory_keys import edge_tam_memory, efficient_tam_memory, sam2_memory


@pytest.mark.parametrize(
    ("official", "own"),
    [
        ("image_encoder.trunk.blocks.0.mlp.layers.0.weight", "image_encoder.trunk.blocks.0.mlp.layers.0.weight"),
        ("image_encoder.neck.convs.0.conv.bias", "image_encoder.neck.convs.0.conv.bias"),
        ("no_mem_embed", "image_encoder.no_mem_embed"),
        ("sam_mask_decoder.conv_s0.weight", "image_encoder.conv_s0.weight"),
        ("sam_prompt_encoder.no_mask_embed.weight", "prompt_encoder.no_mask_embed.weight"),
        ("sam_mask_decoder.obj_score_token.weight", "mask_decoder.obj_score_token.weight"),
        ("sam_mask_decoder.iou_prediction_head.layers.0.bias", "mask_decoder.iou_prediction_head.layers.0.bias"),
        (
            "sam_mask_decoder.transformer.layers.1.mlp.layers.1.bias",
            "mask_decoder.transformer.layers.1.mlp.lin2.bias",
        ),
        (
            "sam_mask_decoder.transformer.layers.0.mlp.layers.0.weight",
            "mask_decoder.transformer.layers.0.mlp.lin1.weight",
        ),
        ("memory_attention.layers.0.linear1.weight", "memory_attention.layers.0.linear1.weight"),
        ("no_mem_pos_enc", "no_mem_pos_enc"),
    ],
)
def test_keys_of_the_image_path_are_mapped_and_others_are_unchanged(official: str, own: str) -> None:
    assert own_key_of_sam2(official) == own


def test_weights_for_video_take_no_memory() -> None:
    counts = [len(part({}).state_dict()) for part in (sam2_memory, efficient_tam_memory, edge_tam_memory)]
    assert counts == [160, 157, 149]
    assert all(value.is_meta for part in (sam2_memory, edge_tam_memory) for value in part({}).state_dict().values())
