"""The blocks of EfficientViT.

EfficientViT (arXiv 2205.14756); keys follow efficientvit/models/nn/ops.py of mit-han-lab/efficientvit. The small models
have other activations and epsilons than the large ones, which are a `Style`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-6
TORCH_EPSILON = 1e-5
LEAST_WEIGHT = 1e-15  # added to the sum of a token's attention weights: zero weights give 0, not NaN


@dataclass(frozen=True, slots=True)
class Style:
    """The activation of a model's convolutions, and the epsilon of its batch normalisations."""

    activation: Literal["gelu_tanh", "hardswish"]
    epsilon: float


# efficientvit/sam_model_zoo.py sets the epsilon after building; the small models keep torch's.
LARGE = Style("gelu_tanh", EPSILON)
SMALL = Style("hardswish", TORCH_EPSILON)


class Convolution(nn.Module):
    """Convolution, batch normalisation if `norm`, activation if `active`; keys `conv` and `norm`.

    By default a layer has a bias if it is not normalised.
    """

    def __init__(
        self,
        inner: int,
        outer: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        norm: bool = True,
        active: bool = False,
        bias: bool | None = None,
        style: Style = LARGE,
    ) -> None:
        super().__init__()
        bias = not norm if bias is None else bias
        self.conv = nn.Conv2d(inner, outer, kernel, stride, kernel // 2, groups=groups, bias=bias)
        self.norm = nn.BatchNorm2d(outer, eps=style.epsilon) if norm else None
        self.activation = style.activation if active else None

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        out = out if self.norm is None else self.norm(out)
        match self.activation:
            case "gelu_tanh":
                return functional.gelu(out, approximate="tanh")
            case "hardswish":
                return functional.hardswish(out)
            case None:
                return out


class ResBlock(nn.Module):
    """Two 3x3 convolutions of one width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = Convolution(width, width, 3, active=True)
        self.conv2 = Convolution(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.conv2(self.conv1(x)))


class FusedMBConv(nn.Module):
    """Inverted residual block whose expansion is the 3x3 convolution."""

    def __init__(self, inner: int, outer: int, expand: int, *, stride: int = 1, fewer_norms: bool = False) -> None:
        super().__init__()
        hidden = expand * inner
        self.spatial_conv = Convolution(inner, hidden, 3, stride=stride, norm=not fewer_norms, active=True)
        self.point_conv = Convolution(hidden, outer)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.point_conv(self.spatial_conv(x)))


class DSConv(nn.Module):
    """Depth-wise 3x3 convolution, then a 1x1 convolution of the same width."""

    def __init__(self, width: int, style: Style) -> None:
        super().__init__()
        self.depth_conv = Convolution(width, width, 3, groups=width, active=True, style=style)
        self.point_conv = Convolution(width, width, style=style)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.point_conv(self.depth_conv(x)))


class MBConv(nn.Module):
    """Inverted residual block: widen, depth-wise 3x3, narrow; with `fewer_norms` only the last is normalised."""

    def __init__(
        self, inner: int, outer: int, expand: int, *, stride: int = 1, fewer_norms: bool = False, style: Style = LARGE
    ) -> None:
        super().__init__()
        hidden, norm = expand * inner, not fewer_norms
        self.inverted_conv = Convolution(inner, hidden, norm=norm, active=True, style=style)
        self.depth_conv = Convolution(
            hidden, hidden, 3, stride=stride, groups=hidden, norm=norm, active=True, style=style
        )
        self.point_conv = Convolution(hidden, outer, style=style)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.point_conv(self.depth_conv(self.inverted_conv(x))))


class LinearAttention(nn.Module):
    """Multi-scale attention with a ReLU kernel instead of softmax, so that its cost per token is constant.

    Heads have `dim` channels, each q, k, v in sequence. A second set of heads aggregates its neighbourhood of `scale`
    pixels first. The official module multiplies in another order below `dim` tokens, which no published size has.
    """

    def __init__(self, width: int, dim: int, scale: int, style: Style = LARGE) -> None:
        super().__init__()
        self.dim = dim
        total = 3 * width
        self.qkv = Convolution(width, total, norm=False, bias=False)
        near = nn.Conv2d(total, total, scale, padding=scale // 2, groups=total, bias=False)
        mixed = nn.Conv2d(total, total, 1, groups=total // dim, bias=False)
        self.aggreg = nn.ModuleList([nn.Sequential(near, mixed)])
        self.proj = Convolution(2 * width, width, style=style)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x)
        scales = torch.cat([qkv, *(aggregate(qkv) for aggregate in self.aggreg)], dim=1)
        return torch.as_tensor(self.proj(self._attend(scales)))

    def _attend(self, qkv: Tensor) -> Tensor:
        """Map [B, heads * 3 * dim, H, W] to [B, heads * dim, H, W]."""
        heads = qkv.reshape(len(qkv), -1, 3, self.dim, qkv.shape[2] * qkv.shape[3])
        q, k, v = heads.unbind(2)  # [B, heads, dim, N]
        q, k = torch.relu(q), torch.relu(k)
        v = functional.pad(v, (0, 0, 0, 1), value=1.0)  # the last row sums the weights
        out = v @ k.transpose(2, 3) @ q
        out = out[:, :, :-1] / (out[:, :, -1:] + LEAST_WEIGHT)
        return out.reshape(len(qkv), -1, *qkv.shape[2:])


class Residual(nn.Module):
    """Adds the input to the output of `main`, unless the block changes the shape (`shortcut` false)."""

    def __init__(self, main: nn.Module, *, shortcut: bool = True) -> None:
        super().__init__()
        self.main = main
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.main(x)
        return out + x if self.shortcut else out


class AttentionBlock(nn.Module):
    """Linear attention, then an inverted residual block."""

    def __init__(self, width: int, dim: int, scale: int, expand: int, style: Style = LARGE) -> None:
        super().__init__()
        self.context_module = Residual(LinearAttention(width, dim, scale, style))
        self.local_module = Residual(MBConv(width, width, expand, fewer_norms=True, style=style))

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.local_module(self.context_module(x)))
