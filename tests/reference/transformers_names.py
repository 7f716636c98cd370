"""transformers' names of the tensors of SAM's prompt encoder and mask decoder. Needs only the standard library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

Tensor = TypeVar("Tensor")

HEADS = ("prompt_encoder.", "mask_decoder.")
RENAMED = (
    (r"^prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix$", "shared_image_embedding.positional_embedding"),
    (r"^prompt_encoder\.point_embeddings\.", "prompt_encoder.point_embed."),
    (r"^prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
    (r"^prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
    (r"^prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
    (r"^prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
    (r"^prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
    (r"\.norm([1-4])\.", r".layer_norm\1."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    (r"(iou_prediction_head|output_hypernetworks_mlps\.\d)\.layers\.0\.", r"\1.proj_in."),
    (r"(iou_prediction_head|output_hypernetworks_mlps\.\d)\.layers\.1\.", r"\1.layers.0."),
    (r"(iou_prediction_head|output_hypernetworks_mlps\.\d)\.layers\.2\.", r"\1.proj_out."),
)
MATRIX = "shared_image_embedding.positional_embedding"
SHARED_MATRIX = "prompt_encoder.shared_embedding.positional_embedding"


def transformers_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the heads' tensors of a whole checkpoint under transformers' names.

    Every tensor of the heads is used, the position matrix twice.
    """
    renamed = {}
    for key, value in state.items():
        if key.startswith(HEADS):
            name = key
            for pattern, replacement in RENAMED:
                name = re.sub(pattern, replacement, name)
            renamed[name] = value
    renamed[SHARED_MATRIX] = renamed[MATRIX]
    return renamed
