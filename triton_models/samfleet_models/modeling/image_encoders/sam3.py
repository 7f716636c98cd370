"""SAM 3's image encoder for points and boxes: the perception encoder and the neck of its SAM 2 heads.

SAM 3 (arXiv 2511.16719, facebookresearch/sam3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import nn

from samfleet_models.modeling.image_encoders.perception_vit import (
    FusedPerceptionVit,
    PerceptionVit,
    PerceptionVitSizes,
)
from samfleet_models.modeling.image_encoders.simple_pyramid import FusedSimplePyramidEncoder, SimplePyramidEncoder


def build_sam3(architecture: Mapping[str, object], input_size: int) -> SimplePyramidEncoder:
    """Build the encoder of a record's `architecture`. Any square input fits; `input_size` is unused."""
    del input_size
    sizes = PerceptionVitSizes(**cast("dict[str, Any]", dict(architecture)))
    return SimplePyramidEncoder(PerceptionVit(sizes), sizes.dim)


def fuse_sam3(encoder: SimplePyramidEncoder, input_size: int) -> nn.Module:
    return FusedSimplePyramidEncoder(encoder, FusedPerceptionVit(cast("PerceptionVit", encoder.trunk), input_size))
