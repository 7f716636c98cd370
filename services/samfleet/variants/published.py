"""Published figures of the variants, with their sources; samfleet measured none of them.

The survey's cells (arXiv 2410.04960, tables 3 to 7) were read in notes that quote it and agree with each other, not in
the survey itself. Repositories count multiply-adds (MACs), half as many as operations, or do not say which. So figures
of work from two sources cannot be compared, nor accuracies with different detectors or prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SurveyRow:
    """Row of "On Efficient Variants of Segment Anything Model" (arXiv 2410.04960); None for unavailable figures.

    Times are milliseconds per image: with one box prompt (table 4) on an RTX 3090, an RTX 2080 Ti and 14 cores of a
    Xeon Gold 6330, and of SegEvery with 32 x 32 points (table 5) on the GPU. mIoU is on COCO with boxes of the
    annotations (table 6), AP on COCO with boxes of ViTDet (table 7).
    """

    called: str
    million_parameters: float | None = None
    rtx_3090_ms: float | None = None
    rtx_2080_ti_ms: float | None = None
    cpu_ms: float | None = None
    everything_ms: float | None = None
    box_miou: float | None = None
    vitdet_ap: float | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement by the authors."""

    text: str
    source: str


SURVEY: Mapping[str, SurveyRow] = {
    "sam_vit_h": SurveyRow("SAM-H", 641.09, 461, 711, 9470, 2269, 77.4, 46.5),
    "sam_vit_l": SurveyRow("SAM-L", 312.34),
    "sam_vit_b": SurveyRow("SAM-B", 93.74, 116, None, 3294),
    "sam2_1_hiera_b_plus": SurveyRow("SAM2-B+ (SAM 2, not 2.1)", 80.8, 85, 110, 1221, 1610, 75.7, 44.8),
    "mobile_sam": SurveyRow("MobileSAM", 10.1, 30, 38, 424, 1313, 73.4, 38.7),
    "tinysam": SurveyRow("TinySAM", 10.1, 29, 39, 422, 776, 73.7, 42.3),
    "edgesam": SurveyRow("EdgeSAM", 9.6, 24, 32, 259, 1553, 75.9, 42.1),
    "efficient_sam_ti": SurveyRow("EfficientSAM-Ti", 10.22, 40, None, 1159, None, 74.7, 42.1),
    "efficient_sam_s": SurveyRow("EfficientSAM-S", 26.41, everything_ms=2290, box_miou=76.1, vitdet_ap=44.5),
    "repvit_sam": SurveyRow("RepViT-SAM", 27.22, 44, 69, 1013, 1890, 75.1, 43.3),
    "efficientvit_sam_l0": SurveyRow("EfficientViT-SAM-L0", 34.8, 16, 23, 194, 1023, 78.5, 45.7),
    "efficientvit_sam_xl1": SurveyRow("EfficientViT-SAM-XL1", 203.0, 52, 82, 1334, None, 79.9, 47.8),
    "nanosam_resnet18": SurveyRow("NanoSAM", rtx_3090_ms=20, box_miou=69.7, vitdet_ap=35.9),
    "slimsam_uniform_77": SurveyRow("SlimSAM-77", 9.85, box_miou=74.4),
    "fastsam_x": SurveyRow("FastSAM", everything_ms=106, box_miou=60.5),
    "mobilesamv2": SurveyRow("MobileSAMv2", everything_ms=173),
}

_EFFICIENTVIT = "README of mit-han-lab/efficientvit, applications/efficientvit_sam"
_SAM2 = "README of facebookresearch/sam2"
_EDGESAM = "README of chongzhou96/EdgeSAM"

CLAIMS: Mapping[str, tuple[Claim, ...]] = {
    "fastsam_x": (
        Claim("68 M parameters; 40 ms flat against SAM-H's 446 (one point) to 2,099 ms (32 x 32) on an RTX 3090; "
              "COCO AP 37.9 against 46.5", "README of CASIA-IVA-Lab/FastSAM"),
    ),
    "fastsam_s": (Claim("11.8 M parameters", "documentation of ultralytics"),),
    "mobile_sam": (
        Claim("9.66 M parameters; 12 ms, 8 in the encoder and 4 in the decoder", "README of ChaoningZhang/MobileSAM"),
    ),
    "mobilesamv2": (
        Claim("prompting and decoding 97 ms against 1,616 ms of a 32 x 32 grid; LVIS mask AR@K 42.5 against 38.9",
              "arXiv 2312.09579, the times as quoted by others"),
    ),
    "efficient_sam_s": (Claim("COCO AP 44.4, LVIS AP 42.3, ViTDet's boxes", "arXiv 2312.00863, as quoted by others"),),
    "edgesam": (
        Claim("22.1 GFLOPs; 38.7 images/s on an iPhone 14, 164.3 on an RTX 2080 Ti; COCO AP 42.2", _EDGESAM),
    ),
    "edgesam_3x": (Claim("COCO AP 42.7", _EDGESAM),),
    "repvit_sam": (
        Claim("encoder 48.9 ms on an iPhone 12, 44.8 ms on an M1 Pro; COCO AP 44.4", "README of THU-MIG/RepViT, sam"),
    ),
    "efficientvit_sam_l0": (Claim("34.8 M parameters, 35 GMACs; 762 images/s on an A100 (TensorRT)", _EFFICIENTVIT),),
    "efficientvit_sam_l1": (Claim("47.7 M parameters, 49 GMACs; 638 images/s on an A100 (TensorRT)", _EFFICIENTVIT),),
    "efficientvit_sam_l2": (Claim("61.3 M parameters, 69 GMACs; 538 images/s on an A100 (TensorRT)", _EFFICIENTVIT),),
    "efficientvit_sam_xl0": (Claim("117 M parameters, 185 GMACs; 278 images/s on an A100 (TensorRT)", _EFFICIENTVIT),),
    "efficientvit_sam_xl1": (
        Claim("203.3 M parameters, 322 GMACs; 182 images/s on an A100 (TensorRT); COCO box mIoU 79.927", _EFFICIENTVIT),
    ),
    "nanosam_resnet18": (
        Claim("8.1 ms on a Jetson AGX Orin, 4.2 of them the encoder; COCO box mIoU 0.706 against MobileSAM's 0.728",
              "README of NVIDIA-AI-IOT/nanosam"),
    ),
    "tinysam": (Claim("42.0 GFLOPs; COCO AP 42.3, LVIS AP 38.6", "README of xinghaochen/TinySAM"),),
    "slimsam_uniform_77": (Claim("9.1 M parameters, 23 GMACs, of SlimSAM-77", "README of czg1225/SlimSAM"),),
    "slimsam_uniform_50": (Claim("26 M parameters, 98 GMACs, of SlimSAM-50", "README of czg1225/SlimSAM"),),
    "sam2_1_hiera_t": (Claim("38.9 M parameters; 91.2 video frames/s on an A100", _SAM2),),
    "sam2_1_hiera_s": (Claim("46 M parameters; 84.8 video frames/s on an A100", _SAM2),),
    "sam2_1_hiera_b_plus": (Claim("80.8 M parameters; 64.1 video frames/s on an A100", _SAM2),),
    "sam2_1_hiera_l": (Claim("224.4 M parameters; 39.5 video frames/s on an A100", _SAM2),),
    "edgetam": (
        Claim("22 times as fast as SAM 2, 16 frames/s on an iPhone 15 Pro Max; SA-23 mIoU 55.5 with one click, 81.7 "
              "with five", "README of facebookresearch/EdgeTAM"),
    ),
}  # fmt: skip

# Variants in or close to the survey's list that samfleet does not host, and why.
NOT_HOSTED: Mapping[str, str] = {
    "SqueezeSAM": "neither code nor weights are public",
    "ESAM": "neither code nor weights are public",
    "PQ-SAM": "neither code nor weights are public",
    "Lite-SAM": "no code is public",
    "AoP-SAM": "its repository is a project page without code",
    "SAM-Lightening": "only an anonymous link; the state of the weights is unclear",
    "PicoSAM2": "the survey's list names no repository",
    "RWKV-SAM": "its weights are announced but not released (S-Lab-1.0)",
    "PTQ4SAM": "no licence, and no quantised weights: a calibration makes them",
    "Q-TinySAM": "its file is a pickled module, unreadable without running its code; and it simulates quantisation",
    "EdgeSAM 10x": "its weights are announced but not released",
    "SlimSAM with global pruning": "its files are pickled modules, unreadable without running their code",
    "SAMfast": "SAM's weights in another program; samfleet's engine does the same job",
    "Expedit-SAM": "SAM's weights with a cheaper encoder at run time, not built here",
    "FastSAM3D": "volumes, not images",
    "Surgical SAM 2": "videos, not images",
    "SuperSAM": "a search over architectures, not one model",
    "RAP-SAM": "depends on the mmdet stack",
}
