"""The blocks of `window_blocks` for inference, with the LayerNorms folded into the layers after them."""

from __future__ import annotations

from torch import Tensor, nn

from samfleet_models.modeling.fusion import FusedConvolution, fuse_after_norm, fuse_linear, normalised
from samfleet_models.modeling.image_encoders.window_blocks import EPS, PatchEmbed, WindowBlock, attend, pooled


class FusedPatches(nn.Module):
    """Maps an image [B, 3, S, S] to tokens [B, G, G, C] plus `positions` [1, G, G, C]."""

    positions: Tensor

    def __init__(self, patches: PatchEmbed, positions: Tensor) -> None:
        super().__init__()
        self.project = FusedConvolution(patches.proj, patches.proj.weight, patches.proj.bias, "none")
        self.register_buffer("positions", positions.detach())

    def forward(self, pixels: Tensor) -> Tensor:
        tokens: Tensor = self.project(pixels).permute(0, 2, 3, 1)
        return tokens + self.positions


class FusedWindowBlock(nn.Module):
    padding: Tensor

    def __init__(self, block: WindowBlock) -> None:
        super().__init__()
        first, second = block.mlp.layers
        if not isinstance(first, nn.Linear) or not isinstance(second, nn.Linear):
            raise TypeError(f"{block.mlp} is not a feed-forward network of two linear layers")
        self.heads, self.window = block.attn.heads, block.window
        self.qkv = fuse_after_norm(block.norm1, block.attn.qkv)
        self.register_buffer("padding", block.attn.qkv.bias.detach())
        self.proj = fuse_linear(block.attn.proj)
        self.shortcut = None if block.proj is None else fuse_after_norm(block.norm1, block.proj)
        self.widen = fuse_after_norm(block.norm2, first, "gelu")
        self.narrow = fuse_linear(second)

    def forward(self, x: Tensor) -> Tensor:
        normed = normalised(x, EPS)
        shortcut = x if self.shortcut is None else pooled(self.shortcut(normed))
        mixed = attend(self.qkv(normed), self.padding, self.heads, self.window, pool=self.shortcut is not None)
        x = self.proj(mixed, add=shortcut)
        out: Tensor = self.narrow(self.widen(normalised(x, EPS)), add=x)
        return out
