"""SAM 2's mask decoder written plainly (sam2/modeling/sam/mask_decoder.py), without the object score.

It has one more token, skips from two finer levels of the image in the upscaling, IoUs through a sigmoid, and a single
mask that falls back to the best of the other three if it is unstable.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reference.plain_decoder import DIM, MASKS, MULTI, LayerNorm2d, Mlp, TwoWayTransformer

DELTA = 0.05
STABLE = 0.98


class Sam2MaskDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.transformer = TwoWayTransformer()
        self.obj_score_token = nn.Embedding(1, DIM)
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
        self.pred_obj_score_head = Mlp((DIM, DIM, DIM, 1))

    def forward(
        self, features: tuple[Tensor, ...], dense: Tensor, positions: Tensor, prompt: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return logits [B, 4, 4H, 4W] and IoUs [B, 4].

        `features` are an embedding [1, 256, H, W] and optionally the skips [1, 32, 4H, 4W] and [1, 64, 2H, 2W]; `dense`
        is [1, 256], `positions` [1, H * W, 256], `prompt` [B, T, 256].
        """
        embedding, *skips = features
        embedding = embedding + dense[..., None, None]
        own = torch.cat([self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.expand(len(prompt), -1, -1), prompt], dim=1)
        image = embedding.flatten(2).transpose(1, 2).expand(len(prompt), -1, -1)
        tokens, image = self.transformer(image, positions, tokens)
        pixels = image.transpose(1, 2).unflatten(2, embedding.shape[-2:])
        first, norm, gelu, second, _ = self.output_upscaling
        if skips:
            pixels = gelu(norm(first(pixels) + skips[1]))
            pixels = gelu(second(pixels) + skips[0])
        else:
            pixels = self.output_upscaling(pixels)
        kernels = torch.stack([mlp(tokens[:, 2 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1)
        logits = (kernels @ pixels.flatten(2)).unflatten(2, pixels.shape[-2:])
        return logits, torch.sigmoid(self.iou_prediction_head(tokens[:, 1]))


def single_answers(logits: Tensor, ious: Tensor) -> tuple[Tensor, Tensor]:
    """Return [B, h, w], [B] for all four masks [B, 4, h, w] and IoUs [B, 4]: dynamic_multimask_via_stability."""
    rows = torch.arange(len(logits))
    best = ious[:, MULTI].argmax(1) + 1
    inner = (logits[:, 0] > DELTA).sum((1, 2)).float()
    outer = (logits[:, 0] > -DELTA).sum((1, 2)).float()
    stability = torch.where(outer > 0, inner / outer, 1.0)
    chosen = torch.where(stability >= STABLE, 0, best)
    return logits[rows, chosen], ious[rows, chosen]
