"""Figures of "On Efficient Variants of Segment Anything Model: A Survey" (arXiv 2410.04960), tables 3 to 8.

The cells were read in notes that quote the survey and agree with each other, not in the survey itself. So a cell
without a figure is unknown here; the survey may have it. samfleet measured none of them.

The survey's protocol: parameters and FLOPs are counted by calflops with one box prompt. Times are milliseconds per
image, in table 4 with a single box prompt. mIoU and AP are percentages on COCO val2017, or LVIS v1 val where named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

SOURCE = "arXiv 2410.04960"
UNNAMED_GPU = "a GPU that the quotations do not name"

TableNumber = Literal[3, 4, 5, 6, 7, 8]
Unit = Literal["M", "GFLOPs", "ms", "%"]


@dataclass(frozen=True, slots=True)
class Condition:
    """Column of a table of the survey. `label` names it in words; `on` is its hardware or data set."""

    table: TableNumber
    name: str
    unit: Unit
    label: str
    on: str = ""


# The survey measured SAM 2, samfleet hosts SAM 2.1; the names say so.
NAMES: Mapping[str, str] = MappingProxyType(
    {
        "sam_vit_h": "SAM-H",
        "sam_vit_l": "SAM-L",
        "sam_vit_b": "SAM-B",
        "sam2_1_hiera_b_plus": "SAM2-B+ (SAM 2, not 2.1)",
        "mobile_sam": "MobileSAM",
        "tinysam": "TinySAM",
        "edgesam": "EdgeSAM",
        "efficient_sam_ti": "EfficientSAM-Ti",
        "efficient_sam_s": "EfficientSAM-S",
        "repvit_sam": "RepViT-SAM",
        "efficientvit_sam_l0": "EfficientViT-SAM-L0",
        "efficientvit_sam_xl1": "EfficientViT-SAM-XL1",
        "nanosam_resnet18": "NanoSAM",
        "slimsam_uniform_77": "SlimSAM-77",
        "fastsam_x": "FastSAM",
        "mobilesamv2": "MobileSAMv2",
    }
)

PARAMETERS = Condition(3, "parameters", "M", "parameters")
FLOPS = Condition(3, "flops", "GFLOPs", "FLOPs, one box")
RTX_3090 = Condition(4, "rtx_3090", "ms", "RTX 3090", "RTX 3090")
RTX_2080_TI = Condition(4, "rtx_2080_ti", "ms", "RTX 2080 Ti", "RTX 2080 Ti")
XEON_6330 = Condition(4, "xeon_6330", "ms", "Xeon Gold 6330, 14 cores", "Xeon Gold 6330, 14 cores")
JETSON_NANO = Condition(4, "jetson_nano", "ms", "Jetson Nano", "Jetson Nano")
GRID_16 = Condition(5, "grid_16", "ms", "16 x 16 points", UNNAMED_GPU)
GRID_32 = Condition(5, "grid_32", "ms", "32 x 32 points", UNNAMED_GPU)
GRID_64 = Condition(5, "grid_64", "ms", "64 x 64 points", UNNAMED_GPU)
OWN_METHOD = Condition(5, "own_method", "ms", "its own method", UNNAMED_GPU)
CENTER_POINT = Condition(6, "center_point", "%", "centre point", "COCO")
RANDOM_POINTS = Condition(6, "random_points", "%", "three random points", "COCO")
BOX = Condition(6, "box", "%", "box", "COCO")
BOX_LVIS = Condition(6, "box_lvis", "%", "box, LVIS", "LVIS")
VITDET = Condition(7, "vitdet", "%", "ViTDet's boxes", "COCO")
YOLOV8 = Condition(8, "yolov8", "%", "YOLOv8's boxes", "COCO")
GROUNDING_DINO = Condition(8, "grounding_dino", "%", "GroundingDINO's boxes", "COCO")

_Cells = Mapping[str, float]
FIGURES: Mapping[Condition, _Cells] = MappingProxyType(
    {
        PARAMETERS: {
            "sam_vit_h": 641.09,
            "sam_vit_l": 312.34,
            "sam_vit_b": 93.74,
            "sam2_1_hiera_b_plus": 80.8,
            "mobile_sam": 10.1,
            "tinysam": 10.1,
            "edgesam": 9.6,
            "efficient_sam_ti": 10.22,
            "efficient_sam_s": 26.41,
            "repvit_sam": 27.22,
            "efficientvit_sam_l0": 34.8,
            "efficientvit_sam_xl1": 203.0,
            "slimsam_uniform_77": 9.85,
        },
        FLOPS: {"sam_vit_h": 5490, "sam_vit_l": 2640, "sam_vit_b": 746.4},
        RTX_3090: {
            "sam_vit_h": 461,
            "sam_vit_b": 116,
            "sam2_1_hiera_b_plus": 85,
            "mobile_sam": 30,
            "tinysam": 29,
            "edgesam": 24,
            "efficient_sam_ti": 40,
            "repvit_sam": 44,
            "efficientvit_sam_l0": 16,
            "efficientvit_sam_xl1": 52,
            "nanosam_resnet18": 20,
        },
        RTX_2080_TI: {
            "sam_vit_h": 711,
            "sam2_1_hiera_b_plus": 110,
            "mobile_sam": 38,
            "tinysam": 39,
            "edgesam": 32,
            "repvit_sam": 69,
            "efficientvit_sam_l0": 23,
            "efficientvit_sam_xl1": 82,
        },
        XEON_6330: {
            "sam_vit_h": 9470,
            "sam_vit_b": 3294,
            "sam2_1_hiera_b_plus": 1221,
            "mobile_sam": 424,
            "tinysam": 422,
            "edgesam": 259,
            "efficient_sam_ti": 1159,
            "repvit_sam": 1013,
            "efficientvit_sam_l0": 194,
            "efficientvit_sam_xl1": 1334,
        },
        JETSON_NANO: {"nanosam_resnet18": 345},
        GRID_16: {
            "sam_vit_h": 824,
            "sam2_1_hiera_b_plus": 442,
            "mobile_sam": 347,
            "edgesam": 404,
            "efficientvit_sam_l0": 258,
            "efficient_sam_s": 1100,
            "repvit_sam": 512,
        },
        GRID_32: {
            "sam_vit_h": 2269,
            "sam2_1_hiera_b_plus": 1610,
            "mobile_sam": 1313,
            "edgesam": 1553,
            "efficientvit_sam_l0": 1023,
            "efficient_sam_s": 2290,
            "repvit_sam": 1890,
        },
        GRID_64: {
            "sam_vit_h": 8103,
            "sam2_1_hiera_b_plus": 6356,
            "mobile_sam": 5022,
            "edgesam": 5877,
            "efficientvit_sam_l0": 3938,
            "efficient_sam_s": 6210,
            "repvit_sam": 7437,
        },
        OWN_METHOD: {"fastsam_x": 106, "mobilesamv2": 173, "tinysam": 776},
        CENTER_POINT: {
            "sam_vit_h": 53.6,
            "sam2_1_hiera_b_plus": 54.3,
            "efficientvit_sam_xl1": 54.3,
            "mobile_sam": 48.6,
        },
        RANDOM_POINTS: {"sam_vit_h": 67.5, "sam2_1_hiera_b_plus": 68.5, "efficientvit_sam_xl1": 70.2},
        BOX: {
            "sam_vit_h": 77.4,
            "sam2_1_hiera_b_plus": 75.7,
            "mobile_sam": 73.4,
            "tinysam": 73.7,
            "edgesam": 75.9,
            "efficient_sam_ti": 74.7,
            "efficient_sam_s": 76.1,
            "repvit_sam": 75.1,
            "efficientvit_sam_l0": 78.5,
            "efficientvit_sam_xl1": 79.9,
            "nanosam_resnet18": 69.7,
            "slimsam_uniform_77": 74.4,
            "fastsam_x": 60.5,
        },
        BOX_LVIS: {"fastsam_x": 50.4},
        VITDET: {
            "sam_vit_h": 46.5,
            "sam2_1_hiera_b_plus": 44.8,
            "mobile_sam": 38.7,
            "tinysam": 42.3,
            "edgesam": 42.1,
            "efficient_sam_ti": 42.1,
            "efficient_sam_s": 44.5,
            "repvit_sam": 43.3,
            "efficientvit_sam_l0": 45.7,
            "efficientvit_sam_xl1": 47.8,
            "nanosam_resnet18": 35.9,
        },
        YOLOV8: {
            "sam_vit_h": 43.8,
            "efficientvit_sam_xl1": 44.7,
            "efficientvit_sam_l0": 42.7,
            "sam2_1_hiera_b_plus": 42.4,
        },
        GROUNDING_DINO: {
            "sam_vit_h": 46.9,
            "efficientvit_sam_xl1": 48.2,
            "efficientvit_sam_l0": 46.0,
            "sam2_1_hiera_b_plus": 45.1,
        },
    }
)


def survey_figure(condition: Condition, variant: str) -> float | None:
    """Return the published figure in the condition's unit, None if it is unknown."""
    return FIGURES[condition].get(variant)


def survey_of(variant: str) -> list[dict[str, object]]:
    """Return all published figures of a variant, in the order of the tables."""
    return [
        {
            "table": condition.table,
            "condition": condition.label,
            "figure": cells[variant],
            "unit": condition.unit,
            "on": condition.on,
        }
        for condition, cells in FIGURES.items()
        if variant in cells
    ]
