"""The parameters of the two-way transformer of SAM's mask decoder, and the parts of it that see tokens alone.

Segment Anything (arXiv 2304.02643, appendix A); layout and keys as segment_anything/modeling/transformer.py.
What passes between tokens and image is computed in `samfleet_models.folded`; the plain form is the tests' reference.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.onednn import linear

DIM = 256
HEADS = 8


class Attention(nn.Module):
    """Multi-head attention whose heads work in `DIM / downsample` channels."""

    def __init__(self, downsample: int = 1) -> None:
        super().__init__()
        inner = DIM // downsample
        self.q_proj = nn.Linear(DIM, inner)
        self.k_proj = nn.Linear(DIM, inner)
        self.v_proj = nn.Linear(DIM, inner)
        self.out_proj = nn.Linear(inner, DIM)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        heads = (_split(_project(self.q_proj, q)), _split(_project(self.k_proj, k)), _split(_project(self.v_proj, v)))
        out = functional.scaled_dot_product_attention(*heads)  # [B, heads, T, C / heads]
        return _project(self.out_proj, out.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(DIM, hidden)
        self.lin2 = nn.Linear(hidden, DIM)

    def forward(self, x: Tensor) -> Tensor:
        return _project(self.lin2, torch.relu_(_project(self.lin1, x)))


class TwoWayBlock(nn.Module):
    """Self-attention of the tokens, tokens to image, feed-forward, image to tokens.

    The `first` block adds no position to its self-attention and replaces the tokens by the result, without residual.
    """

    def __init__(self, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention()
        self.norm1 = nn.LayerNorm(DIM)
        self.cross_attn_token_to_image = Attention(downsample=2)
        self.norm2 = nn.LayerNorm(DIM)
        self.mlp = FeedForward(2048)
        self.norm3 = nn.LayerNorm(DIM)
        self.norm4 = nn.LayerNorm(DIM)
        self.cross_attn_image_to_token = Attention(downsample=2)

    def attend_to_each_other(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """The self-attention step on `tokens` [P, T, 256]."""
        if self.first:
            return torch.as_tensor(self.norm1(self.self_attn(tokens, tokens, tokens)))
        asking = tokens + positions
        return torch.as_tensor(self.norm1(tokens + self.self_attn(asking, asking, tokens)))

    def feed_forward(self, tokens: Tensor) -> Tensor:
        return torch.as_tensor(self.norm3(tokens + self.mlp(tokens)))


class TwoWayTransformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([TwoWayBlock(first=True), TwoWayBlock(first=False)])
        self.final_attn_token_to_image = Attention(downsample=2)
        self.norm_final_attn = nn.LayerNorm(DIM)

    @property
    def blocks(self) -> tuple[TwoWayBlock, TwoWayBlock]:
        first, second = self.layers
        return cast("TwoWayBlock", first), cast("TwoWayBlock", second)


def _project(layer: nn.Linear, x: Tensor) -> Tensor:
    return linear(x, layer.weight, layer.bias)


def _split(x: Tensor) -> Tensor:
    batch, tokens, channels = x.shape
    return x.view(batch, tokens, HEADS, channels // HEADS).transpose(1, 2)  # [B, heads, T, C / heads]
