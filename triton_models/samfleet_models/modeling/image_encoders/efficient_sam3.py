"""EfficientSAM3's image encoders: a small trunk that learned the features of SAM 3's, and SAM 3's own neck.

EfficientSAM3 (arXiv 2511.15833); the projection follows `ImageStudentEncoder` in sam3/model_builder.py of
SimonZeng7108/efficientsam3. Its repository wraps the trunks once or twice more; `own_key_of_efficient_sam3` drops the
names of the wrappers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.fusion import FusedConvolution, fold_norm
from samfleet_models.modeling.image_encoders import efficientvit_fused
from samfleet_models.modeling.image_encoders.efficientvit_small import SmallEfficientVit, SmallSizes
from samfleet_models.modeling.image_encoders.perception_vit import PATCH
from samfleet_models.modeling.image_encoders.repvit import RepVitFeatures, RepVitSizes
from samfleet_models.modeling.image_encoders.repvit_fused import fuse_steps
from samfleet_models.modeling.image_encoders.simple_pyramid import FusedSimplePyramidEncoder, SimplePyramidEncoder
from samfleet_models.modeling.image_encoders.tiny_vit import TinyVitTrunk, tiny_vit_sizes
from samfleet_models.modeling.image_encoders.tiny_vit_fused import fuse_stages

CHANNELS = 1024  # of SAM 3's trunk


class StudentTrunk(nn.Module):
    """Maps [B, 3, S, S] to [B, 1024, side, side], the shape of the features of SAM 3's trunk.

    `backbone` maps [B, 3, S, S] to [B, channels, g, g].
    """

    def __init__(self, backbone: nn.Module, channels: int, side: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.side = side
        self.head = nn.Sequential(
            nn.Conv2d(channels, CHANNELS, 1, bias=False),
            nn.BatchNorm2d(CHANNELS),
            nn.GELU(),
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        return at_side(self.head(self.backbone(pixels)), self.side)


class FusedStudentTrunk(nn.Module):
    """`trunk` fused from its current parameters, around the fused form of its backbone."""

    def __init__(self, trunk: StudentTrunk, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.side = trunk.side
        match list(trunk.head):
            case [nn.Conv2d() as widening, nn.BatchNorm2d() as norm, nn.GELU(), nn.Conv2d() as last]:
                self.head = nn.Sequential(
                    FusedConvolution(widening, *fold_norm(widening, norm), "gelu"),
                    FusedConvolution(last, last.weight, last.bias, "none"),
                )
            case _:
                raise TypeError(f"{trunk.head} is not the projection of a student of SAM 3")

    def forward(self, pixels: Tensor) -> Tensor:
        return at_side(self.head(self.backbone(pixels)), self.side)


def at_side(x: Tensor, side: int) -> Tensor:
    """Resize to [B, C, side, side] by bilinear interpolation; a no-op if it has that side."""
    if x.shape[2:] == (side, side):
        return x
    return functional.interpolate(x, (side, side), mode="bilinear", align_corners=False)


def build_repvit_student(architecture: Mapping[str, object], input_size: int) -> SimplePyramidEncoder:
    sizes = RepVitSizes(**_fields(architecture))
    return _encoder(RepVitFeatures(sizes, last_stride=2), sizes.channels[-1], input_size)


def build_tiny_vit_student(architecture: Mapping[str, object], input_size: int) -> SimplePyramidEncoder:
    sizes = tiny_vit_sizes(architecture)
    return _encoder(TinyVitTrunk(sizes), sizes.embed_dims[-1], input_size)


def build_efficientvit_student(architecture: Mapping[str, object], input_size: int) -> SimplePyramidEncoder:
    sizes = SmallSizes(**_fields(architecture))
    return _encoder(SmallEfficientVit(sizes), sizes.widths[-1], input_size)


def fuse_repvit_student(encoder: SimplePyramidEncoder, input_size: int) -> nn.Module:
    del input_size
    return _fused(encoder, fuse_steps)


def fuse_tiny_vit_student(encoder: SimplePyramidEncoder, input_size: int) -> nn.Module:
    def fuse(backbone: nn.Module) -> nn.Module:
        stem, stages = fuse_stages(cast("TinyVitTrunk", backbone), input_size)
        return nn.Sequential(stem, *stages)

    return _fused(encoder, fuse)


def fuse_efficientvit_student(encoder: SimplePyramidEncoder, input_size: int) -> nn.Module:
    del input_size
    return _fused(encoder, efficientvit_fused.fuse)


def _fields(architecture: Mapping[str, object]) -> dict[str, Any]:
    return dict(architecture)


def _encoder(backbone: nn.Module, channels: int, input_size: int) -> SimplePyramidEncoder:
    return SimplePyramidEncoder(StudentTrunk(backbone, channels, input_size // PATCH), CHANNELS)


def _fused(encoder: SimplePyramidEncoder, fuse: Callable[[nn.Module], nn.Module]) -> nn.Module:
    trunk = cast("StudentTrunk", encoder.trunk)
    return FusedSimplePyramidEncoder(encoder, FusedStudentTrunk(trunk, fuse(trunk.backbone)))
