"""The two-way transformer of SAM's mask decoder, written plainly.

Prompt tokens and image tokens attend to each other; both are updated. Segment Anything (arXiv 2304.02643, appendix A);
layout and keys as segment_anything/modeling/transformer.py.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

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
        heads = (_split(self.q_proj(q)), _split(self.k_proj(k)), _split(self.v_proj(v)))
        out = functional.scaled_dot_product_attention(*heads)  # [B, heads, T, C / heads]
        joined: Tensor = self.out_proj(out.transpose(1, 2).flatten(2))
        return joined


class FeedForward(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(DIM, hidden)
        self.lin2 = nn.Linear(hidden, DIM)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.lin2(functional.relu(self.lin1(x)))
        return out


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

    def forward(self, tokens: Tensor, image: Tensor, token_pe: Tensor, image_pe: Tensor) -> tuple[Tensor, Tensor]:
        if self.first:
            tokens = self.norm1(self.self_attn(tokens, tokens, tokens))
        else:
            q = tokens + token_pe
            tokens = self.norm1(tokens + self.self_attn(q, q, tokens))
        k = image + image_pe
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + token_pe, k, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = self.norm4(image + self.cross_attn_image_to_token(k, tokens + token_pe, tokens))
        return tokens, image


class TwoWayTransformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([TwoWayBlock(first=True), TwoWayBlock(first=False)])
        self.final_attn_token_to_image = Attention(downsample=2)
        self.norm_final_attn = nn.LayerNorm(DIM)

    def forward(self, image: Tensor, image_pe: Tensor, prompt: Tensor) -> tuple[Tensor, Tensor]:
        """Updated tokens [B, T, 256] and image [B, N, 256] from the same shapes; `image_pe` is [1, N, 256]."""
        tokens = prompt
        for layer in self.layers:
            tokens, image = layer(tokens, image, prompt, image_pe)
        attended = self.final_attn_token_to_image(tokens + prompt, image + image_pe, image)
        return self.norm_final_attn(tokens + attended), image


def _split(x: Tensor) -> Tensor:
    batch, tokens, channels = x.shape
    return x.view(batch, tokens, HEADS, channels // HEADS).transpose(1, 2)  # [B, heads, T, C / heads]
