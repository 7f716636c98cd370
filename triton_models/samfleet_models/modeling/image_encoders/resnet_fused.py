"""NanoSAM's encoder for inference: the steps of `resnet`, folded and with channels last throughout."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.fusion import FusedConvolution, activate_, fold_norm, fuse_pair
from samfleet_models.modeling.image_encoders.resnet import BasicBlock, NanoSamEncoder


class FusedBasicBlock(nn.Module):
    def __init__(self, block: BasicBlock) -> None:
        super().__init__()
        self.first = FusedConvolution(block.conv1, *fold_norm(block.conv1, block.bn1), "relu")
        self.second = FusedConvolution(block.conv2, *fold_norm(block.conv2, block.bn2), "none")
        self.shortcut = None if block.downsample is None else fuse_pair(block.downsample)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(self.first(x))
        return activate_(out.add_(x if self.shortcut is None else self.shortcut(x)), "relu")


class Doubling(nn.Module):
    """The transposed convolution that doubles the grid, then GELU."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, convolution: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.register_buffer("weight", convolution.weight.detach().contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", None if convolution.bias is None else convolution.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        out = functional.conv_transpose2d(x, self.weight, self.bias, stride=2, padding=1, output_padding=1)
        return activate_(out, "gelu")


class Position(nn.Module):
    position: Tensor

    def __init__(self, position: Tensor) -> None:
        super().__init__()
        self.register_buffer("position", position.detach().contiguous(memory_format=torch.channels_last))

    def forward(self, x: Tensor) -> Tensor:
        return x.add_(self.position)


def fuse_resnet(encoder: NanoSamEncoder, input_size: int) -> nn.Module:
    """Return an encoder [B, 3, S, S] to [B, 256, S/16, S/16] like `encoder`, fused from its current parameters."""
    del input_size
    backbone = encoder.backbone
    parts: list[nn.Module] = [
        FusedConvolution(backbone.conv1, *fold_norm(backbone.conv1, backbone.bn1), "relu"),
        backbone.maxpool,
        *(FusedBasicBlock(block) for block in backbone.blocks),
    ]
    *activated, last = (part for part in (*encoder.up_1, *encoder.proj) if not isinstance(part, nn.GELU))
    for part in activated:
        match part:
            case nn.Conv2d():
                parts.append(FusedConvolution(part, part.weight, part.bias, "gelu"))
            case nn.ConvTranspose2d():
                parts.append(Doubling(part))
    if not isinstance(last, nn.Conv2d):
        raise TypeError(f"the encoder must end with a convolution, not {last}")
    parts.append(FusedConvolution(last, last.weight, last.bias, "none"))
    return nn.Sequential(*parts, Position(encoder.pos_embedding))
