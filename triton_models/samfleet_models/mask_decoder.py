"""The parameters of SAM's mask decoder, under the official keys.

Layout and keys as segment_anything/modeling/mask_decoder.py; `samfleet_models.folded` computes with them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from samfleet_models.common import LayerNorm2d, Mlp
from samfleet_models.transformer import DIM, TwoWayTransformer

MASKS = 4
SINGLE = 0  # the mask of an unambiguous prompt
MULTI = tuple(range(1, MASKS))  # the three ambiguity-aware masks


class MaskDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.transformer = TwoWayTransformer()
        self.iou_token = nn.Embedding(1, DIM)
        self.mask_tokens = nn.Embedding(MASKS, DIM)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(DIM, DIM // 4, 2, stride=2),
            LayerNorm2d(DIM // 4),
            nn.GELU(),
            nn.ConvTranspose2d(DIM // 4, DIM // 8, 2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(Mlp((DIM, DIM, DIM, DIM // 8)) for _ in range(MASKS))
        self.iou_prediction_head = Mlp((DIM, DIM, DIM, MASKS))

    def output_tokens(self, prompt: Tensor) -> Tensor:
        """The decoder's own tokens before those of the `prompt` [P, T, 256]: [P, 5 + T, 256]."""
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        return torch.cat([own.expand(len(prompt), -1, -1), prompt], dim=1)

    def mask_kernels(self, tokens: Tensor, rows: Tensor, masks: Tensor) -> Tensor:
        """Kernels [n, 32] for the `masks` [n] (0 to 3) of prompts `rows` [n]; `tokens` [P, 5 + T, 256] are final."""
        kernels = tokens.new_empty(len(rows), DIM // 8)
        for mask, head in enumerate(self.output_hypernetworks_mlps):
            chosen = (masks == mask).nonzero()[:, 0]
            kernels[chosen] = head(tokens[rows[chosen], 1 + mask])
        return kernels
