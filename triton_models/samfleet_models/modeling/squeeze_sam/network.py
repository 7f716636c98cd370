"""SqueezeSAM (arXiv 2312.06736): a U-Net that takes the image and the prompt together and returns masks.

From the authors: all layers and keys follow the folder squeeze_sam of yformer/EfficientSAM at commit 3477a43 (December
2023, Apache-2.0), which a later commit removed together with its weights; so their checkpoint would load strictly. The
sizes are those of `build_squeeze_sam_base` there: 512 pixels, patches of 2, eight levels, two transformer blocks, three
masks of four. Salience is no input: the paper's application uses a separate salience network to place the first clicks.

Ours: the last map is a pixel shuffle of a linear layer in the authors' order of channels, and attention is torch's.
Neither changes the function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from samfleet_models.modeling.mask_decoder import MASKS
from samfleet_models.modeling.squeeze_sam.blocks import DoubleConv, Down, Up
from samfleet_models.modeling.squeeze_sam.transformer import Perceptron, TokenTransformer

PATCH = 2  # input pixels per pixel of the largest map and of the masks
CHANNELS = 5  # red, green, blue, the box, the clicks


@dataclass(frozen=True, slots=True)
class SqueezeSizes:
    """Channels of each level of the U-Net, the largest map first, and sizes of the transformer on the smallest."""

    channels: tuple[int, ...]
    transformer_depth: int
    hidden: int

    @property
    def multiple(self) -> int:
        """The number of which the input's side must be a multiple, so that each level halves the last one."""
        side: int = PATCH * 2 ** (len(self.channels) - 1)
        return side


class PatchEmbed(nn.Module):
    def __init__(self, outer: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(nn.Conv2d(CHANNELS, outer, PATCH, PATCH), nn.GroupNorm(1, outer))

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.proj(x))


class UNetEncoder(nn.Module):
    """Maps the patches to the maps of all levels, the largest first."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        first = channels[0]
        self.down_layers = nn.ModuleList([DoubleConv(first, first), *(Down(a, b) for a, b in pairwise(channels))])

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for layer in self.down_layers:
            x = layer(x)
            maps.append(x)
        return maps


class UNetDecoder(nn.Module):
    """Joins the maps of all levels, from the smallest to the largest."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.unet_upscaling_layers = nn.ModuleList(Up(a, b) for a, b in pairwise(reversed(channels)))

    def forward(self, maps: list[Tensor]) -> Tensor:
        *skips, x = maps
        for layer, skip in zip(self.unet_upscaling_layers, reversed(skips), strict=True):
            x = layer(x, skip)
        return x


class MaskHead(nn.Module):
    """Makes each mask from its token: the token gives a kernel for the channels of the largest map."""

    def __init__(self, token: int, hidden: int, pixel: int) -> None:
        super().__init__()
        self.output_hypernetworks_mlps = nn.ModuleList(Perceptron(token, token, pixel, depth=2) for _ in range(MASKS))
        self.iou_prediction_head = Perceptron(token, hidden, MASKS, depth=2)

    def forward(self, tokens: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
        iou_token, *mask_tokens = tokens.unbind(1)
        heads = zip(self.output_hypernetworks_mlps, mask_tokens, strict=True)
        kernels = torch.stack([head(token) for head, token in heads], dim=1)  # [B, 4, C]
        masks = (kernels @ pixels.flatten(2)).view(len(pixels), MASKS, *pixels.shape[2:])
        return masks, torch.as_tensor(self.iou_prediction_head(iou_token))


class SqueezeSam(nn.Module):
    """Maps inputs [B, 5, S, S] of B prompts to mask logits [B, 4, S/2, S/2] and predicted IoUs [B, 4].

    The inputs are the normalised image and the planes of `prompt_planes`. S is a multiple of `SqueezeSizes.multiple`.
    The authors use masks 1 to 3 and drop mask 0.
    """

    def __init__(self, sizes: SqueezeSizes) -> None:
        super().__init__()
        first, last = sizes.channels[0], sizes.channels[-1]
        self.patch_embed = PatchEmbed(first)
        self.unet_encoder = UNetEncoder(sizes.channels)
        self.get_iou_predictions_and_mask_tokens = TokenTransformer(last, sizes.hidden, sizes.transformer_depth)
        self.unet_decoder = UNetDecoder(sizes.channels)
        self.mask_decoder = MaskHead(last, sizes.hidden, first)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.unet_encoder(self.patch_embed(inputs))
        tokens, maps[-1] = self.get_iou_predictions_and_mask_tokens(maps[-1])
        masks, ious = self.mask_decoder(tokens, self.unet_decoder(maps))
        return masks, ious


def build_squeeze_sam(architecture: Mapping[str, Any]) -> SqueezeSam:
    """Build the network from a record's `architecture`."""
    return SqueezeSam(SqueezeSizes(**architecture))
