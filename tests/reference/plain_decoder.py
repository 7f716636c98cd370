"""SAM's mask decoder written plainly, step by step as published: the slow reference of the folded decoder.

Prompt tokens and image tokens attend to each other, both are updated for every prompt, and all four masks are drawn.
Segment Anything (arXiv 2304.02643, appendix A); layout and keys as in segment_anything/modeling/mask_decoder.py and
transformer.py. It shares no code with the fast path, so neither can hide an error of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

DIM = 256
HEADS = 8
MASKS = 4
MULTI = slice(1, MASKS)  # the three ambiguity-aware masks


class LayerNorm2d(nn.Module):
    """LayerNorm over the channels of a [B, C, H, W] tensor."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        normed = centred / torch.sqrt(centred.square().mean(1, keepdim=True) + 1e-6)
        return self.weight[:, None, None] * normed + self.bias[:, None, None]


class Mlp(nn.Module):
    """Linear layers of the given widths with ReLU between them."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.layers
        for layer in hidden:
            x = functional.relu(layer(x))
        return torch.as_tensor(last(x))


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
        return torch.as_tensor(self.out_proj(out.transpose(1, 2).flatten(2)))


class FeedForward(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(DIM, hidden)
        self.lin2 = nn.Linear(hidden, DIM)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.lin2(functional.relu(self.lin1(x))))


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
        """Return updated tokens [B, T, 256] and image [B, N, 256] from the same shapes; `image_pe` is [1, N, 256]."""
        tokens = prompt
        for layer in self.layers:
            tokens, image = layer(tokens, image, prompt, image_pe)
        attended = self.final_attn_token_to_image(tokens + prompt, image + image_pe, image)
        return self.norm_final_attn(tokens + attended), image


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
        """Return logits [B, 4, 4H, 4W] and predicted IoUs [B, 4] of `prompt` tokens [B, T, 256] on one image.

        `embedding` [1, 256, H, W] already includes the dense prompt; `positions` is [1, H * W, 256]. Mask 0 is the
        single mask, masks 1 to 3 are the multimask (`MULTI`). IoUs are a plain regression, not limited to [0, 1].
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


def _split(x: Tensor) -> Tensor:
    batch, tokens, channels = x.shape
    return x.view(batch, tokens, HEADS, channels // HEADS).transpose(1, 2)  # [B, heads, T, C / heads]
