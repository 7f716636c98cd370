"""Figures on LVIS, SGinW and UVO that authors of variants publish; samfleet measured none of them.

The survey evaluates these data sets too, but no quotation that we found has its cells. All figures are percentages. The
videos of UVO are evaluated as tracks of masks, so that column cannot be compared with a figure of single frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class AuthorColumn:
    """Published figures by variant under one condition. `on` names the data set, `sources` the origin by variant."""

    label: str
    on: str
    cells: Mapping[str, float]
    sources: Mapping[str, str]


_EFFICIENTVIT = "README of mit-han-lab/efficientvit, applications/efficientvit_sam"
_REPVIT = "README of THU-MIG/RepViT, sam"
_EFFICIENT_SAM = "arXiv 2312.00863, as quoted by others"


def _column(label: str, on: str, by_source: Mapping[str, Mapping[str, float]]) -> AuthorColumn:
    cells = {variant: figure for found in by_source.values() for variant, figure in found.items()}
    sources = {variant: source for source, found in by_source.items() for variant in found}
    return AuthorColumn(label, on, MappingProxyType(cells), MappingProxyType(sources))


LVIS_VITDET_AP = _column(
    "LVIS AP, ViTDet's boxes",
    "LVIS v1 val",
    {
        _EFFICIENTVIT: {
            "efficientvit_sam_l0": 41.8,
            "efficientvit_sam_l1": 42.1,
            "efficientvit_sam_l2": 42.7,
            "efficientvit_sam_xl0": 43.9,
            "efficientvit_sam_xl1": 44.4,
        },
        _EFFICIENT_SAM: {"efficient_sam_s": 42.3, "sam_vit_h": 44.7, "mobile_sam": 34.4},
        "README of xinghaochen/TinySAM": {"tinysam": 38.6},
    },
)
SGINW_MEAN_AP = _column(
    "mean AP of the 25 sets",
    "SGinW, boxes not stated",
    {_REPVIT: {"sam_vit_h": 48.7, "sam_vit_b": 44.8, "mobile_sam": 43.9, "repvit_sam": 46.1}},
)
UVO_VIDEO_AR = _column(
    "AR of 100, of whole videos",
    "UVO videos",
    {_REPVIT: {"sam_vit_h": 28.8, "sam_vit_b": 19.1, "mobile_sam": 22.7, "repvit_sam": 25.3}},
)
