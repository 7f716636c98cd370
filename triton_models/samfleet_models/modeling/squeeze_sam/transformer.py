"""The two-way transformer on the smallest map of SqueezeSAM's U-Net, and its mask and IoU tokens.

Layout and keys follow squeeze_sam/detection_transformer.py (see `network`). It differs from SAM's: the tokens contain
no prompt, the map has no positions, every step has a residual, and positions stay in the tokens from the second block.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.mask_decoder import MASKS

HEADS = 8


class Perceptron(nn.Module):
    """Hidden layers with ReLU, then a linear one; keys `layers.<i>.0` and `fc`."""

    def __init__(self, inner: int, hidden: int, outer: int, depth: int) -> None:
        super().__init__()
        widths = [inner, *[hidden] * depth]
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(widths))
        self.fc = nn.Linear(hidden, outer)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return torch.as_tensor(self.fc(x))


class Attention(nn.Module):
    """Multi-head attention in `dim / downsample` channels."""

    def __init__(self, dim: int, downsample: int = 1) -> None:
        super().__init__()
        inner = dim // downsample
        self.q_proj = nn.Linear(dim, inner)
        self.k_proj = nn.Linear(dim, inner)
        self.v_proj = nn.Linear(dim, inner)
        self.out_proj = nn.Linear(inner, dim)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(2, (HEADS, -1)).transpose(1, 2) for part in (self.q_proj(q), self.k_proj(k), self.v_proj(v))
        )
        out = functional.scaled_dot_product_attention(q, k, v)  # [B, heads, T, C / heads]
        return torch.as_tensor(self.out_proj(out.transpose(1, 2).flatten(2)))


class TwoWayBlock(nn.Module):
    """Self-attention of the tokens, tokens to map, feed-forward, map to tokens; a norm after each."""

    def __init__(self, dim: int, hidden: int, *, first: bool) -> None:
        super().__init__()
        self._first = first
        self.self_attn = Attention(dim)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = Attention(dim, downsample=2)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Perceptron(dim, hidden, dim, depth=1)
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = Attention(dim, downsample=2)

    def forward(self, tokens: Tensor, pixels: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """Return new `tokens` [B, T, C] and `pixels` [B, N, C]; `own` are the tokens before the first block."""
        if not self._first:
            tokens = tokens + own
        tokens = self.norm1(tokens + self.self_attn(tokens, tokens, tokens))
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + own, pixels, pixels))
        tokens = self.norm3(tokens + self.mlp(tokens))
        pixels = self.norm4(pixels + self.cross_attn_image_to_token(pixels, tokens + own, tokens))
        return tokens, pixels


class TwoWayTransformer(nn.Module):
    def __init__(self, dim: int, hidden: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(dim, hidden, first=index == 0) for index in range(depth))
        self.final_attn_token_to_image = Attention(dim, downsample=2)
        self.norm_final_attn = nn.LayerNorm(dim)

    def forward(self, own: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
        tokens = own
        for layer in self.layers:
            tokens, pixels = layer(tokens, pixels, own)
        tokens = tokens + self.final_attn_token_to_image(tokens + own, pixels, pixels)
        return torch.as_tensor(self.norm_final_attn(tokens)), pixels


class TokenTransformer(nn.Module):
    """Learned tokens for the IoUs and the masks, which read and change the smallest map."""

    def __init__(self, dim: int, hidden: int, depth: int) -> None:
        super().__init__()
        self.transformer = TwoWayTransformer(dim, hidden, depth)
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(MASKS, dim)

    def forward(self, deepest: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens [B, 1 + 4, C], the IoUs' first, and the changed map, for `deepest` [B, C, h, w].

        A further token of zeros takes part, where SAM has those of the prompt.
        """
        table = torch.cat([self.iou_token.weight, self.mask_tokens.weight, torch.zeros_like(self.iou_token.weight)])
        tokens, pixels = self.transformer(table.expand(len(deepest), -1, -1), deepest.flatten(2).transpose(1, 2))
        return tokens[:, : 1 + MASKS], pixels.transpose(1, 2).unflatten(2, deepest.shape[2:])
