"""SAM 2's image path by an independent implementation: transformers' `Sam2Model` with weights of our networks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from reference.transformers_heads import WeightsDoNotFit
from reference.transformers_names import MATRIX, RENAMED, SHARED_MATRIX

OTHERS = (
    (r"^image_encoder\.no_mem_embed$", "no_memory_embedding"),
    (r"^image_encoder\.conv_s", "mask_decoder.conv_s"),
    (r"^image_encoder\.trunk\.patch_embed\.proj\.", "vision_encoder.backbone.patch_embed.projection."),
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"^image_encoder\.neck\.convs\.(\d)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"\.mlp\.(?:layers\.1|lin2)\.", ".mlp.proj_out."),
    (r"\.mlp\.(?:layers\.0|lin1)\.", ".mlp.proj_in."),
    (r"\.out_proj\.", ".o_proj."),
    (r"pred_obj_score_head\.layers\.0\.", "pred_obj_score_head.proj_in."),
    (r"pred_obj_score_head\.layers\.1\.", "pred_obj_score_head.layers.0."),
    (r"pred_obj_score_head\.layers\.2\.", "pred_obj_score_head.proj_out."),
)
POINTS = "prompt_encoder.point_embed.weight"


def sam2_model(state: Mapping[str, Tensor], architecture: Mapping[str, Any], input_size: int) -> Any:
    """Return the model for an `architecture` of our records and inputs of `input_size` pixels a side."""
    from transformers import Sam2Config, Sam2Model
    from transformers.models.sam2.configuration_sam2 import Sam2HieraDetConfig, Sam2VisionConfig

    widths = [architecture["embed_dim"] * 2**stage for stage in range(4)]
    backbone = Sam2HieraDetConfig(
        hidden_size=widths[0],
        image_size=[input_size, input_size],
        num_attention_heads=architecture["heads"],
        blocks_per_stage=list(architecture["stages"]),
        embed_dim_per_stage=widths,
        num_attention_heads_per_stage=[architecture["heads"] * 2**stage for stage in range(4)],
        window_size_per_stage=list(architecture["window_spec"]),
        global_attention_blocks=list(architecture["global_att_blocks"]),
        window_positional_embedding_background_size=[architecture["position_grid"]] * 2,
    )
    vision = Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=widths[::-1],
        backbone_feature_sizes=[[input_size // stride] * 2 for stride in (4, 8, 16)],
    )
    model: Any = Sam2Model(Sam2Config(vision_config=vision, prompt_encoder_config={"image_size": input_size}))
    renamed = _renamed(state)
    if renamed.keys() != model.state_dict().keys():
        raise WeightsDoNotFit(f"only on one side: {sorted(renamed.keys() ^ model.state_dict().keys())}")
    model.load_state_dict(renamed)
    model.train(mode=False)
    return model


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    renamed = {}
    for key, value in state.items():
        name = key
        for pattern, replacement in (*OTHERS, *RENAMED):
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    renamed[POINTS] = torch.cat([renamed.pop(f"prompt_encoder.point_embed.{kind}.weight") for kind in range(4)])
    renamed[SHARED_MATRIX] = renamed[MATRIX]
    return renamed
