"""Keys in the layout of transformers' SamModel."""

from __future__ import annotations

import pytest

from samfleet_models.checkpoints.hf_keys import official_key


@pytest.mark.parametrize(
    ("theirs", "official"),
    [
        ("vision_encoder.pos_embed", "image_encoder.pos_embed"),
        ("vision_encoder.patch_embed.projection.bias", "image_encoder.patch_embed.proj.bias"),
        ("vision_encoder.layers.11.layer_norm2.weight", "image_encoder.blocks.11.norm2.weight"),
        ("vision_encoder.layers.0.mlp.lin1.weight", "image_encoder.blocks.0.mlp.lin1.weight"),
        ("vision_encoder.neck.layer_norm2.bias", "image_encoder.neck.3.bias"),
        ("prompt_encoder.mask_embed.conv3.weight", "prompt_encoder.mask_downscaling.6.weight"),
        ("prompt_encoder.point_embed.2.weight", "prompt_encoder.point_embeddings.2.weight"),
        ("mask_decoder.transformer.layers.0.layer_norm4.bias", "mask_decoder.transformer.layers.0.norm4.bias"),
        ("mask_decoder.transformer.layer_norm_final_attn.bias", "mask_decoder.transformer.norm_final_attn.bias"),
        ("mask_decoder.upscale_conv2.bias", "mask_decoder.output_upscaling.3.bias"),
        ("mask_decoder.upscale_layer_norm.bias", "mask_decoder.output_upscaling.1.bias"),
        ("mask_decoder.iou_prediction_head.proj_in.bias", "mask_decoder.iou_prediction_head.layers.0.bias"),
        ("mask_decoder.iou_prediction_head.layers.0.bias", "mask_decoder.iou_prediction_head.layers.1.bias"),
        (
            "mask_decoder.output_hypernetworks_mlps.3.proj_out.weight",
            "mask_decoder.output_hypernetworks_mlps.3.layers.2.weight",
        ),
        *(
            (tied, "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix")
            for tied in (
                "shared_image_embedding.positional_embedding",
                "prompt_encoder.shared_embedding.positional_embedding",
            )
        ),
    ],
)
def test_tensors_have_their_official_names(theirs: str, official: str) -> None:
    assert official_key(theirs) == official
