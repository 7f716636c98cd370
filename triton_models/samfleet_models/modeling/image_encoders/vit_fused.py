"""Plain vision transformers for inference: the steps of `vit` and `efficient_sam`, folded, with attention in tiles."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.fusion import (
    FusedConvolution,
    FusedLinear,
    fold_after_norm,
    fuse_after_norm,
    fuse_linear,
    fuse_neck,
    normalised,
)
from samfleet_models.modeling.image_encoders.efficient_sam import EfficientSamEncoder
from samfleet_models.modeling.image_encoders.vit import PATCH, Attention, Vit, VitBlock, from_windows, to_windows
from samfleet_models.modeling.image_encoders.vit_attention import attend

HEAD_UNIT = 8  # channels: GPU attention kernels need heads of whole units


class FusedAttention(nn.Module):
    """LayerNorm, attention and residual addition of a VitBlock on [B, H, W, C].

    Heads are zero-padded to whole units, which changes no product of a query with a key or a table.
    """

    padding: Tensor
    rows: Tensor | None
    columns: Tensor | None

    def __init__(self, norm: nn.LayerNorm, attention: Attention, window: int) -> None:
        super().__init__()
        self.heads, self.window, self.eps = attention.heads, window, norm.eps
        depth = attention.proj.in_features // attention.heads
        self.scale = depth**-0.5
        weight, bias = fold_after_norm(norm, attention.qkv)
        self.qkv = FusedLinear(_fill_heads(weight, depth, 0), _fill_heads(bias, depth, 0))
        padding = _fill_heads(attention.qkv.bias, depth, 0)
        self.proj = FusedLinear(_fill_heads(attention.proj.weight, depth, 1), attention.proj.bias)
        self.register_buffer("padding", padding.detach())  # bias of the published layer, which pads normalised tokens
        for name, table in zip(("rows", "columns"), attention.tables() or (None, None), strict=True):
            self.register_buffer(name, None if table is None else _fill_heads(table, depth, 2).detach())

    def forward(self, x: Tensor) -> Tensor:
        qkv: Tensor = self.qkv(normalised(x, self.eps))
        if self.window:
            qkv = self._padded(qkv)
        out = self._attend(to_windows(qkv, self.window) if self.window else qkv)
        if self.window:
            height, width = x.shape[1:3]
            out = from_windows(out, qkv.shape)[:, :height, :width].contiguous()
        joined: Tensor = self.proj(out, add=x)
        return joined

    def _padded(self, qkv: Tensor) -> Tensor:
        """Pad to whole windows on the right and bottom; q, k and v of zero tokens are the layer's bias."""
        batch, height, width, numbers = qkv.shape
        down, right = -height % self.window, -width % self.window
        if not down and not right:
            return qkv
        beside = self.padding.expand(batch, height, right, numbers)
        below = self.padding.expand(batch, down, width + right, numbers)
        return torch.cat([torch.cat([qkv, beside], dim=2), below], dim=1)

    def _attend(self, qkv: Tensor) -> Tensor:
        tables = None if self.rows is None or self.columns is None else (self.rows, self.columns)
        return attend(torch.unflatten(qkv, -1, (3, self.heads, -1)), tables, self.scale).flatten(3)


def _fill_heads(parameter: Tensor, depth: int, dim: int) -> Tensor:
    """Return `parameter` with every `depth` numbers along `dim`, those of a head, zero-padded to whole units."""
    last = torch.unflatten(parameter.movedim(dim, -1), -1, (-1, depth))
    return functional.pad(last, (0, -depth % HEAD_UNIT)).flatten(-2).movedim(-1, dim).contiguous()


class FusedVitBlock(nn.Module):
    def __init__(self, block: VitBlock) -> None:
        super().__init__()
        self.attend = FusedAttention(block.norm1, block.attn, block.window)
        widen, narrow = block.mlp.layers()
        self.eps = block.norm2.eps
        self.widen = fuse_after_norm(block.norm2, widen, "gelu")
        self.narrow = fuse_linear(narrow)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attend(x)
        out: Tensor = self.narrow(self.widen(normalised(x, self.eps)), add=x)
        return out


class FusedVit(nn.Module):
    """Maps [B, 3, S, S] to [B, 256, S/16, S/16], and also to [B, C, S/16, S/16] of the block `intermediate` if set."""

    positions: Tensor

    def __init__(self, encoder: Vit | EfficientSamEncoder, input_size: int, intermediate: int | None) -> None:
        super().__init__()
        patches = encoder.patch_embed.proj
        self.intermediate = intermediate
        self.patches = FusedConvolution(patches, patches.weight, patches.bias, "none")
        self.register_buffer("positions", encoder.positions(input_size // PATCH).detach())
        self.blocks = nn.ModuleList(FusedVitBlock(cast("VitBlock", block)) for block in encoder.blocks)
        self.neck = fuse_neck(encoder.neck)

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x: Tensor = self.patches(pixels).permute(0, 2, 3, 1) + self.positions
        kept = None
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index == self.intermediate:
                kept = x.permute(0, 3, 1, 2)
        embedding: Tensor = self.neck(x.permute(0, 3, 1, 2))
        return embedding if kept is None else (embedding, kept)


def fuse_vit(encoder: Vit, input_size: int) -> nn.Module:
    """Return the function of `encoder`, fused from its current parameters."""
    return FusedVit(encoder, input_size, encoder.intermediate)


def fuse_efficient_sam(encoder: EfficientSamEncoder, input_size: int) -> nn.Module:
    """Return the function of `encoder` on inputs of `input_size`, fused from its current parameters."""
    return FusedVit(encoder, input_size, None)
