"""SAM's mask decoder: image embedding and prompt tokens become mask logits and predicted IoUs.

Layout and keys as segment_anything/modeling/mask_decoder.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from samfleet_models.common import LayerNorm2d, Mlp
from samfleet_models.transformer import DIM, TwoWayTransformer

MASKS = 4
SINGLE = slice(0, 1)  # the mask of an unambiguous prompt
MULTI = slice(1, MASKS)  # the three ambiguity-aware masks


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

    def forward(self, embedding: Tensor, positions: Tensor, prompt: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [B, 4, 4H, 4W] and predicted IoUs [B, 4] of `prompt` tokens [B, T, 256] on one image.

        `embedding` [1, 256, H, W] already carries the dense prompt; `positions` is [1, H * W, 256]. Mask 0 answers
        alone (`SINGLE`), masks 1 to 3 together (`MULTI`). IoUs are a plain regression, not bound to [0, 1].
        """
        count = len(prompt)
        height, width = embedding.shape[-2:]
        output = torch.cat([self.iou_token.weight, self.mask_tokens.weight]).expand(count, -1, -1)
        image = embedding.flatten(2).transpose(1, 2).expand(count, -1, -1)
        tokens, image = self.transformer(image, positions, torch.cat([output, prompt], dim=1))
        pixels = self.output_upscaling(image.transpose(1, 2).unflatten(2, (height, width)))  # [B, 32, 4H, 4W]
        kernels = torch.stack([mlp(tokens[:, 1 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1)
        logits = (kernels @ pixels.flatten(2)).unflatten(2, pixels.shape[-2:])
        return logits, self.iou_prediction_head(tokens[:, 0])
