"""The parameters of the two-way transformer of SAM's mask decoder, and its parts that use only tokens.

Segment Anything (arXiv 2304.02643, appendix A); layout and keys follow segment_anything/modeling/transformer.py.
`samfleet_models.decoder.two_way_pass` computes the attention between tokens and image; the plain form is the tests'
reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.ops.onednn import linear

DIM = 256
HEADS = 8

Activation = Callable[[Tensor], Tensor]  # may overwrite its argument


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


@dataclass(frozen=True, slots=True)
class SelfAttention:
    """The attention between tokens, before a norm, on `tokens` and `positions` [P, T, 256].

    Queries and keys read the tokens, with `positioned_keys` plus the positions; values likewise with
    `positioned_values`. With `residual` what the values read is added to the result.
    """

    positioned_keys: bool = False
    positioned_values: bool = False
    residual: bool = False

    def __call__(self, attention: Attention, tokens: Tensor, positions: Tensor) -> Tensor:
        positioned = tokens + positions if self.positioned_keys or self.positioned_values else tokens
        keyed = positioned if self.positioned_keys else tokens
        valued = positioned if self.positioned_values else tokens
        result = torch.as_tensor(attention(keyed, keyed, valued))
        return valued + result if self.residual else result


class FeedForward(nn.Module):
    def __init__(self, hidden: int, activation: Activation) -> None:
        super().__init__()
        self.activation = activation
        self.lin1 = nn.Linear(DIM, hidden)
        self.lin2 = nn.Linear(hidden, DIM)

    def forward(self, x: Tensor) -> Tensor:
        return _project(self.lin2, self.activation(_project(self.lin1, x)))


@dataclass(frozen=True, slots=True)
class TransformerShape:
    """The differences between two-way transformers; SAM's by default.

    SAM's first block adds no position to its self-attention and replaces the tokens by the result, without residual.
    """

    activation: Activation = torch.relu_
    self_attention: tuple[SelfAttention, SelfAttention] = (
        SelfAttention(),
        SelfAttention(positioned_keys=True, residual=True),
    )
    norm_epsilon: float = 1e-5


class TwoWayBlock(nn.Module):
    """Self-attention of the tokens, tokens to image, feed-forward, image to tokens."""

    def __init__(self, shape: TransformerShape, self_attention: SelfAttention) -> None:
        super().__init__()
        self.self_attention = self_attention
        self.self_attn = Attention()
        self.norm1 = nn.LayerNorm(DIM, shape.norm_epsilon)
        self.cross_attn_token_to_image = Attention(downsample=2)
        self.norm2 = nn.LayerNorm(DIM, shape.norm_epsilon)
        self.mlp = FeedForward(2048, shape.activation)
        self.norm3 = nn.LayerNorm(DIM, shape.norm_epsilon)
        self.norm4 = nn.LayerNorm(DIM, shape.norm_epsilon)
        self.cross_attn_image_to_token = Attention(downsample=2)

    def attend_to_each_other(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Run the self-attention step on `tokens` [P, T, 256]."""
        return torch.as_tensor(self.norm1(self.self_attention(self.self_attn, tokens, positions)))

    def feed_forward(self, tokens: Tensor) -> Tensor:
        return torch.as_tensor(self.norm3(tokens + self.mlp(tokens)))


class TwoWayTransformer(nn.Module):
    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(shape, step) for step in shape.self_attention)
        self.final_attn_token_to_image = Attention(downsample=2)
        self.norm_final_attn = nn.LayerNorm(DIM, shape.norm_epsilon)

    @property
    def blocks(self) -> tuple[TwoWayBlock, TwoWayBlock]:
        first, second = self.layers
        return cast("TwoWayBlock", first), cast("TwoWayBlock", second)


def _project(layer: nn.Linear, x: Tensor) -> Tensor:
    return linear(x, layer.weight, layer.bias)


def _split(x: Tensor) -> Tensor:
    batch, tokens, channels = x.shape
    return x.view(batch, tokens, HEADS, channels // HEADS).transpose(1, 2)  # [B, heads, T, C / heads]
