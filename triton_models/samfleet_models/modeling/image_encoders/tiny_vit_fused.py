"""TinyViT for inference: the steps of `tiny_vit`, folded and with channels last throughout."""

from __future__ import annotations

from torch import Tensor, nn

from samfleet_models.modeling.fusion import activate_, fuse_after_norm, fuse_linear, fuse_neck, fuse_pair, normalised
from samfleet_models.modeling.image_encoders.tiny_vit import (
    MBConv,
    PatchMerging,
    TinyVit,
    TinyVitBlock,
    TinyVitTrunk,
)
from samfleet_models.modeling.image_encoders.tiny_vit_windows import FusedAttention


class FusedMBConv(nn.Module):
    def __init__(self, block: MBConv) -> None:
        super().__init__()
        self.widen = fuse_pair(block.conv1, "gelu")
        self.mix = fuse_pair(block.conv2, "gelu")
        self.narrow = fuse_pair(block.conv3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.narrow(self.mix(self.widen(x)))
        return activate_(out.add_(x), "gelu")


class FusedBlock(nn.Module):
    """A TinyVitBlock on a square grid of `grid` pixels per side."""

    def __init__(self, block: TinyVitBlock, grid: int) -> None:
        super().__init__()
        self.attend = FusedAttention(block.attn, block.window, grid)
        self.local_conv = fuse_pair(block.local_conv)
        self.eps = block.mlp.norm.eps
        self.widen = fuse_after_norm(block.mlp.norm, block.mlp.fc1, "gelu")
        self.narrow = fuse_linear(block.mlp.fc2)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.attend(x.permute(0, 2, 3, 1))  # [B, H, W, C]
        rows = self.local_conv(rows.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        out: Tensor = self.narrow(self.widen(normalised(rows, self.eps)), add=rows)
        return out.permute(0, 3, 1, 2)


class FusedTinyVit(nn.Module):
    """Maps [B, 3, S, S] to [B, 256, S/16, S/16], and also returns the output of the stage `intermediate` if set."""

    def __init__(self, encoder: TinyVit, input_size: int) -> None:
        super().__init__()
        self.intermediate = encoder.intermediate
        self.stem, self.stages = fuse_stages(encoder, input_size)
        self.neck = fuse_neck(encoder.neck)

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.stem(pixels)
        kept = None
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index == self.intermediate:
                kept = x
        embedding: Tensor = self.neck(x)
        return embedding if kept is None else (embedding, kept)


def fuse_stages(trunk: TinyVit | TinyVitTrunk, input_size: int) -> tuple[nn.Sequential, nn.ModuleList]:
    """Return the fused steps before the stages, and the fused stages, for inputs of `input_size` pixels per side."""
    first, _, second = trunk.patch_embed.seq
    stages = nn.ModuleList()
    grid = -(-input_size // 4)
    for layer in trunk.layers:
        stage, grid = _fuse_stage(layer, grid)
        stages.append(stage)
    return nn.Sequential(fuse_pair(first, "gelu"), fuse_pair(second)), stages


def _fuse_stage(stage: nn.Module, grid: int) -> tuple[nn.Sequential, int]:
    """Return the stage for a square grid of `grid` pixels per side, and the side of its output grid."""
    parts: list[nn.Module] = []
    for part in stage.modules():
        match part:
            case MBConv():
                parts.append(FusedMBConv(part))
            case TinyVitBlock():
                parts.append(FusedBlock(part, grid))
            case PatchMerging():
                merging = [fuse_pair(part.conv1, "gelu"), fuse_pair(part.conv2, "gelu"), fuse_pair(part.conv3)]
                parts += merging
                grid = -(-grid // merging[1].stride[0])
    return nn.Sequential(*parts), grid


def fuse_tiny_vit(encoder: TinyVit, input_size: int) -> nn.Module:
    """Return the function of `encoder` on inputs of `input_size`, fused from its current parameters."""
    return FusedTinyVit(encoder, input_size)
