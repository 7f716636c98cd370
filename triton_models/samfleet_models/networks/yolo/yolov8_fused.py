"""YOLOv8-seg for inference: the steps of `yolov8`, with each convolution, its batch normalisation and SiLU in one."""

from __future__ import annotations

import torch
from torch import nn

from samfleet_models.modeling.fusion import FusedConvolution, fuse_pair
from samfleet_models.networks.yolo.yolov8 import YoloSeg
from samfleet_models.networks.yolo.yolov8_blocks import ConvNorm


class FusedTransposed(nn.Module):
    """The transposed convolution of the prototypes, with parameters as buffers, as in all fused layers."""

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.register_buffer("weight", layer.weight.detach())
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())
        self.stride = layer.stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv_transpose2d(x, self.weight, self.bias, self.stride)


def fuse_yolo(network: YoloSeg) -> nn.Module:
    """Return the function of `network`, fused from its current parameters."""
    with torch.device("meta"):
        fused = YoloSeg(network.sizes)
    for name, layer in list(network.named_modules()):
        match layer:
            case ConvNorm():
                fused.set_submodule(name, fuse_pair(layer, "silu"))
            case nn.ConvTranspose2d():
                fused.set_submodule(name, FusedTransposed(layer))
            case nn.Conv2d() if not isinstance(network.get_submodule(name.rpartition(".")[0]), ConvNorm):
                fused.set_submodule(name, FusedConvolution(layer, layer.weight, layer.bias, "none"))
    return fused.eval()
