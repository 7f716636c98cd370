"""TinyViT for inference: the steps of `tiny_vit`, folded and with channels last throughout."""

from __future__ import annotations

from torch import Tensor, nn

from samfleet_models.families.tiny_vit import MBConv, PatchMerging, TinyVit, TinyVitBlock
from samfleet_models.families.tiny_vit_windows import FusedAttention
from samfleet_models.fusing import activate_, fuse_after_norm, fuse_linear, fuse_neck, fuse_pair, normalised


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
    """A TinyVitBlock on a square grid of `grid` pixels a side."""

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


def fuse_tiny_vit(encoder: TinyVit, input_size: int) -> nn.Module:
    """[B, 3, S, S] to [B, 256, S/16, S/16] like `encoder`, from its present parameters; S is `input_size`."""
    first, _, second = encoder.patch_embed.seq
    parts: list[nn.Module] = [fuse_pair(first, "gelu"), fuse_pair(second)]
    grid = -(-input_size // 4)
    for part in encoder.layers.modules():
        match part:
            case MBConv():
                parts.append(FusedMBConv(part))
            case TinyVitBlock():
                parts.append(FusedBlock(part, grid))
            case PatchMerging():
                merging = [fuse_pair(part.conv1, "gelu"), fuse_pair(part.conv2, "gelu"), fuse_pair(part.conv3)]
                parts += merging
                grid = -(-grid // merging[1].stride[0])
    return nn.Sequential(*parts, fuse_neck(encoder.neck))
