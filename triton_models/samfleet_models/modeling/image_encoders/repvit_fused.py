"""RepViT for inference: branches and batch normalisations as one convolution each, channels last throughout."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.fusion import FusedConvolution, fold_norm, fuse_neck, fuse_pair
from samfleet_models.modeling.image_encoders.repvit import RepVit, TwoScaleRepVit, upsampled
from samfleet_models.modeling.image_encoders.repvit_blocks import RepVggDw, Residual, SqueezeExcite
from samfleet_models.modeling.image_encoders.tiny_vit import ConvNorm


class FusedResidual(nn.Module):
    def __init__(self, part: Residual) -> None:
        super().__init__()
        self.steps = nn.Sequential(*_fused(part))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.steps(x)
        return out.add_(x)


class FusedExcite(nn.Module):
    """Squeeze-excite in place: its input is always the output of a convolution that nothing else reads."""

    def __init__(self, part: SqueezeExcite) -> None:
        super().__init__()
        self.fc1, self.fc2 = (FusedConvolution(fc, fc.weight, fc.bias, "none") for fc in (part.fc1, part.fc2))

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)
        weights: Tensor = self.fc2(self.fc1(means).relu_())
        return x.mul_(weights.sigmoid_())


class FusedTwoScale(nn.Module):
    """A fused TwoScaleRepVit.

    Both projections absorb the neck's first convolution, which commutes with sums and upsampling.
    """

    def __init__(self, encoder: TwoScaleRepVit) -> None:
        super().__init__()
        self.upsampling = encoder.upsampling
        self.fine = fuse_steps(encoder.features[: -encoder.last_stage])
        self.coarse = fuse_steps(encoder.features[-encoder.last_stage :])
        first, *rest = encoder.neck
        self.fine_projection = _in_one(encoder.fuse_stage2, first)
        self.coarse_projection = _in_one(encoder.fuse_stage3, first)
        self.neck = fuse_neck(nn.Sequential(*rest))

    def forward(self, pixels: Tensor) -> Tensor:
        fine: Tensor = self.fine(pixels)
        coarse: Tensor = self.coarse_projection(self.coarse(fine))
        both: Tensor = self.fine_projection(fine).add_(upsampled(coarse, self.upsampling))
        out: Tensor = self.neck(both)
        return out


def fuse_repvit(encoder: RepVit, input_size: int) -> nn.Module:
    """Return an encoder [B, 3, S, S] to [B, 256, S/16, S/16] like `encoder`, from its current parameters, for any S."""
    del input_size
    if isinstance(encoder, TwoScaleRepVit):
        return FusedTwoScale(encoder)
    return nn.Sequential(fuse_steps(encoder.features), fuse_neck(encoder.neck))


def fuse_steps(part: nn.Module) -> nn.Sequential:
    """Return the fused function of a module of RepViT's blocks, from their current parameters.

    A container runs its children in order, whatever their names.
    """
    return nn.Sequential(*_fused(part))


def _fused(part: nn.Module) -> Iterator[nn.Module]:
    steps = list(part.children())
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        match step:
            case ConvNorm():
                yield fuse_pair(step, "gelu" if isinstance(following, nn.GELU) else "none")
            case RepVggDw():
                yield fuse_branches(step)
            case SqueezeExcite():
                yield FusedExcite(step)
            case Residual():
                yield FusedResidual(step)
            case nn.Sequential():
                yield from _fused(step)
            case nn.GELU() | nn.Identity():
                pass
            case _:
                raise TypeError(f"{step} is no part of RepViT")


@torch.no_grad()
def fuse_branches(part: RepVggDw) -> FusedConvolution:
    """Merge the branches into one depth-wise convolution; sums and normalisations in float64."""
    exact = deepcopy(part).double()
    convolution, weight, bias = _folded(exact.conv)
    _, point, shift = _folded(exact.conv1)
    weight = weight + functional.pad(point + 1, (1, 1, 1, 1))  # the centre of a 3x3 kernel, where the identity is 1
    bias = bias + shift
    if isinstance(exact.bn, nn.BatchNorm2d):
        convolution.weight, convolution.bias = nn.Parameter(weight), nn.Parameter(bias)
        weight, bias = fold_norm(convolution, exact.bn)
    dtype = next(part.parameters()).dtype
    return FusedConvolution(convolution, weight.to(dtype), bias.to(dtype), "none")


def _folded(branch: nn.Module) -> tuple[nn.Conv2d, Tensor, Tensor]:
    """Return a convolution, and its weight and bias with its batch normalisation folded in, if it has one."""
    match [branch, *branch.children()]:
        case [nn.Conv2d(bias=Tensor() as bias) as convolution]:
            return convolution, convolution.weight, bias
        case [_, nn.Conv2d() as convolution, nn.BatchNorm2d() as norm]:
            return convolution, *fold_norm(convolution, norm)
    raise TypeError(f"{branch} is not a branch of RepVggDw")


def _in_one(first: nn.Module, second: nn.Module) -> FusedConvolution:
    """Merge two consecutive modules that are each a 1x1 convolution without bias."""
    match [part for module in (first, second) for part in module.modules() if isinstance(part, nn.Conv2d)]:
        case [nn.Conv2d(bias=None) as inner, nn.Conv2d(bias=None) as outer]:
            weight = torch.einsum("oi,ikyx->okyx", outer.weight[:, :, 0, 0].double(), inner.weight.double())
            return FusedConvolution(inner, weight.to(inner.weight.dtype), None, "none")
    raise TypeError(f"{first} and {second} are not two convolutions without bias")
