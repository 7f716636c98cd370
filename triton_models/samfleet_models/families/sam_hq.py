"""SAM-HQ's heads for the encoders that it was trained on (build_sam.py of SysCV/sam-hq).

They read an early layer: of a ViT the first block that attends over the whole grid, of TinyViT the second stage, whose
last step has the channels of the third.
"""

from __future__ import annotations

from collections.abc import Mapping

from samfleet_models.families.tiny_vit import tiny_vit_sizes
from samfleet_models.families.vit import vit_sizes
from samfleet_models.heads import Heads, hq_sam


def heads_of_vit(architecture: Mapping[str, object]) -> Heads:
    return hq_sam(vit_sizes(architecture).embed_dim)


def heads_of_tiny_vit(architecture: Mapping[str, object]) -> Heads:
    sizes = tiny_vit_sizes(architecture)
    return hq_sam(sizes.embed_dims[(sizes.intermediate or 0) + 1])
