"""The prompt encoder and mask decoder of transformers' `SamModel` with an official checkpoint's weights.

This implementation of SAM's heads shares nothing with ours: an independent reference, and the one that most users run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from reference.plain_heads import STRIDE
from reference.transformers_names import transformers_state
from samfleet_models.modeling.prompt_encoder import Label


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
        renamed = transformers_state(state)
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
