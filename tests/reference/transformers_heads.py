"""The prompt encoder and mask decoder of transformers' `SamModel` with an official checkpoint's weights.

This implementation of SAM's heads shares nothing with ours: an independent reference, and the one that most users run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from reference.plain_heads import STRIDE, heads_of
from samfleet_models.modeling.prompt_encoder import Label

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


class WeightsDoNotFit(Exception):
    """The official keys do not cover transformers' heads one to one."""


class TransformersHeads:
    """Callable like `PlainHeads.multimask`: one foreground point per prompt; transformers adds the padding point."""

    def __init__(self, state: Mapping[str, Tensor], input_size: int) -> None:
        from transformers.models.sam.configuration_sam import SamConfig
        from transformers.models.sam.modeling_sam import SamModel

        embedding = input_size // STRIDE
        config = SamConfig(
            vision_config={"num_hidden_layers": 1, "image_size": input_size, "hidden_size": 96, "mlp_dim": 96},
            prompt_encoder_config={"image_size": input_size, "image_embedding_size": embedding},
            mask_decoder_config={"layer_norm_eps": 1e-5},  # torch's default, which the official code uses
        )
        self.model: Any = SamModel(config)
        self.model.train(mode=False)
        own = {key for key in self.model.state_dict() if not key.startswith("vision_encoder.")}
        renamed = renamed_state(state)
        if renamed.keys() != own:
            raise WeightsDoNotFit(f"only on one side: {sorted(renamed.keys() ^ own)}")
        self.model.load_state_dict(renamed, strict=False)  # its vision encoder stays unused

    def to(self, device: torch.device) -> TransformersHeads:
        self.model.to(device)
        return self

    def multimask(
        self, embedding: Tensor, coords: Tensor, labels: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return logits [B, 3, S/4, S/4] and IoUs [B, 3]; `coords` is [B, 2, 2], the second point is the padding.

        `mask` [S/4, S/4] has the logits of a mask that all prompts have.
        """
        points, kinds = coords[:, :1].float()[None], labels[:, :1].int()[None]
        if bool((labels[:, 1:] != Label.PADDING).any()):
            raise ValueError("one point with its padding point is expected per prompt")
        masks = None if mask is None else mask[None, None]
        out = self.model(
            image_embeddings=embedding,
            input_points=points,
            input_labels=kinds,
            input_masks=masks,
            multimask_output=True,
        )
        return out.pred_masks[0], out.iou_scores[0]


def renamed_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the heads' tensors under transformers' names; every tensor is used, the position matrix twice."""
    renamed = {}
    for key, value in heads_of(state).items():
        name = key
        for pattern, replacement in RENAMED:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    renamed[SHARED_MATRIX] = renamed[MATRIX]
    return renamed
