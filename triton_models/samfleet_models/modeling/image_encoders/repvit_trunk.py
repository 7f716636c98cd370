"""RepViT as EdgeTAM's trunk: four maps under the keys of timm's `repvit_m1` with `features_only`.

EdgeTAM (arXiv 2501.07256) takes them from `image_encoder.trunk.body` of facebookresearch/EdgeTAM.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

from torch import Tensor, nn

from samfleet_models.modeling.image_encoders.repvit_blocks import (
    RepVggDw,
    Residual,
    SqueezeExcite,
    embedding,
    mixing,
    narrowing,
)
from samfleet_models.modeling.image_encoders.repvit_fused import fuse_steps

CHANNELS = (48, 96, 192, 384)
DEPTHS = (2, 2, 14, 2)


class RepVitTrunk(nn.Module):
    """Maps [B, 3, S, S] to the maps of all stages: [B, channels[i], S / 2^(i + 2), S / 2^(i + 2)].

    `depths` excludes the block before each halving of the resolution, which timm counts as part of the halving.
    """

    def __init__(self, channels: Sequence[int] = CHANNELS, depths: Sequence[int] = DEPTHS) -> None:
        super().__init__()
        self.stem = _named(zip(("conv1", "act1", "conv2"), embedding(channels[0]), strict=True))
        parts = [[("blocks", _blocks(channels[0], depths[0]))]]
        for (inner, outer), depth in zip(pairwise(channels), depths[1:], strict=True):
            parts.append([("downsample", _downsample(inner, outer)), ("blocks", _blocks(outer, depth))])
        for index, part in enumerate(parts):
            self.add_module(f"stages_{index}", _named(part))

    def stages(self) -> list[nn.Module]:
        return [part for name, part in self.named_children() if name != "stem"]

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return _maps(self.stem(pixels), self.stages())


class FusedRepVitTrunk(nn.Module):
    """A loaded RepVitTrunk fused from its current parameters; its maps have channels last in memory."""

    def __init__(self, trunk: RepVitTrunk) -> None:
        super().__init__()
        self.stem = fuse_steps(trunk.stem)
        self.stages = nn.ModuleList(fuse_steps(stage) for stage in trunk.stages())

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return _maps(self.stem(pixels), self.stages)


def _maps(x: Tensor, stages: Iterable[nn.Module]) -> tuple[Tensor, ...]:
    return tuple(accumulate(stages, lambda below, stage: stage(below), initial=x))[1:]


def _named(parts: Iterable[tuple[str, nn.Module]]) -> nn.Sequential:
    return nn.Sequential(OrderedDict(parts))


def _mixer(dim: int) -> Residual:
    return Residual(OrderedDict(zip(("conv1", "act", "conv2"), mixing(dim), strict=True)))


def _block(dim: int, *, excited: bool) -> nn.Sequential:
    se = [("se", SqueezeExcite(dim))] if excited else []
    return _named([("token_mixer", RepVggDw(dim, "each")), *se, ("channel_mixer", _mixer(dim))])


def _blocks(dim: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(_block(dim, excited=index % 2 == 0) for index in range(depth)))


def _downsample(inner: int, outer: int) -> nn.Sequential:
    spatial, channel = narrowing(inner, outer, stride=2)
    steps = [("spatial_downsample", spatial), ("channel_downsample", channel), ("ffn", _mixer(outer))]
    return _named([("pre_block", _block(inner, excited=False)), *steps])
