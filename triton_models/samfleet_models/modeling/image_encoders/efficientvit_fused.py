"""EfficientViT-SAM's encoder for inference: the steps of `efficientvit`, folded and with channels last throughout."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from samfleet_models.modeling.fusion import ChannelNorm, FusedConvolution, fold_norm
from samfleet_models.modeling.image_encoders.efficientvit import EfficientVit, Neck, at_side
from samfleet_models.modeling.image_encoders.efficientvit_blocks import (
    LEAST_WEIGHT,
    Convolution,
    LinearAttention,
    Residual,
)
from samfleet_models.ops.onednn_layers import Activation


class FusedResidual(nn.Module):
    def __init__(self, steps: nn.Module) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.steps(x)
        return out.add_(x)


class FusedLinearAttention(nn.Module):
    """Linear attention. Sums over the image are float32 in every precision: they run over thousands of pixels."""

    def __init__(self, attention: LinearAttention) -> None:
        super().__init__()
        self.dim = attention.dim
        self.qkv = fuse_convolution(attention.qkv)
        self.aggregate = nn.ModuleList(
            nn.Sequential(*(_plain(part) for part in scale.children())) for scale in attention.aggreg
        )
        self.proj = fuse_convolution(attention.proj)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x)
        scales = [self._attend(qkv), *(self._attend(aggregate(qkv)) for aggregate in self.aggregate)]
        return torch.as_tensor(self.proj(torch.cat(scales, dim=-1).permute(0, 3, 1, 2)))

    def _attend(self, qkv: Tensor) -> Tensor:
        """Return [B, H, W, heads * dim] of [B, heads * 3 * dim, H, W] with channels last."""
        rows = qkv.permute(0, 2, 3, 1)  # [B, H, W, C]
        heads = rows.reshape(len(rows), -1, qkv.shape[1] // (3 * self.dim), 3, self.dim).permute(
            3, 0, 2, 1, 4
        )  # [3, B, heads, N, dim]
        q, k, v = _precise(heads)
        q, k = torch.relu(q), torch.relu(k)
        weights = q @ k.sum(2).unsqueeze(-1)  # [B, heads, N, 1]
        out: Tensor = q @ (k.transpose(2, 3) @ v) / (weights + LEAST_WEIGHT)
        return out.transpose(1, 2).reshape(*rows.shape[:3], -1).to(qkv.dtype)


class FusedNeck(nn.Module):
    def __init__(self, neck: Neck) -> None:
        super().__init__()
        self.stages, self.side = neck.stages, neck.side
        self.inputs = nn.ModuleList(fuse(step) for step in neck.input_ops)
        self.middle = nn.Sequential(fuse(neck.middle), *(fuse(step) for step in neck.output_ops))

    def forward(self, features: list[Tensor]) -> Tensor:
        """Join the stages. The interpolation is float32 in every precision, as in the official code."""
        parts = zip(self.inputs, self.stages, strict=True)
        joined = sum(at_side(_precise(step(features[stage])), self.side) for step, stage in parts)
        return torch.as_tensor(self.middle(torch.as_tensor(joined).to(features[0].dtype)))


class FusedEfficientVit(nn.Module):
    def __init__(self, encoder: EfficientVit) -> None:
        super().__init__()
        self.stages = nn.ModuleList(fuse(stage) for stage in encoder.backbone.stages)
        self.neck = FusedNeck(encoder.neck)
        self.norm = ChannelNorm(encoder.norm)

    def forward(self, pixels: Tensor) -> Tensor:
        features: list[Tensor] = []
        for stage in self.stages:
            features.append(stage(features[-1] if features else pixels))
        return torch.as_tensor(self.norm(self.neck(features)))


def fuse(module: nn.Module) -> nn.Module:
    """Fuse any part that is a chain of convolutions, attentions and residual blocks of these."""
    return nn.Sequential(*_parts(module))


def _parts(module: nn.Module) -> Iterator[nn.Module]:
    match module:
        case Convolution():
            yield fuse_convolution(module)
        case LinearAttention():
            yield FusedLinearAttention(module)
        case Residual(shortcut=True):
            yield FusedResidual(fuse(module.main))
        case _:
            for child in module.children():
                yield from _parts(child)


def fuse_convolution(layer: Convolution) -> FusedConvolution:
    activation: Activation = layer.activation or "none"
    if layer.norm is None:
        return FusedConvolution(layer.conv, layer.conv.weight, layer.conv.bias, activation)
    return FusedConvolution(layer.conv, *fold_norm(layer.conv, layer.norm), activation)


def _precise(x: Tensor) -> Tensor:
    """Convert to float32, or keep float64."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _plain(convolution: nn.Module) -> FusedConvolution:
    if not isinstance(convolution, nn.Conv2d):
        raise TypeError(f"only convolutions aggregate, not {convolution}")
    return FusedConvolution(convolution, convolution.weight, convolution.bias, "none")


def fuse_efficientvit(encoder: EfficientVit, input_size: int) -> nn.Module:
    """Return an encoder [B, 3, S, S] to [B, 256, 64, 64] like `encoder`, fused from its current parameters."""
    del input_size
    return FusedEfficientVit(encoder)
