"""Statements of the variants' authors with their sources, and variants that are not hosted; samfleet measured none.

Repositories count multiply-adds (MACs), half as many as operations, or do not say which. So figures of work from two
sources cannot be compared, nor accuracies with different detectors or prompts. `survey_figures` has the survey's cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement by the authors."""

    text: str
    source: str


_EFFICIENTVIT = "README of mit-han-lab/efficientvit, applications/efficientvit_sam"
_SAM2 = "README of facebookresearch/sam2"
_EDGESAM = "README of chongzhou96/EdgeSAM"
_EFFICIENT_SAM3 = "README of SimonZeng7108/efficientsam3 at 11e18d6"

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
    "squeezesam": (
        Claim("62.5 times as fast and 31.6 times as small as SAM; the removed code has 10.16 M parameters, 63 "
              "times fewer than ViT-H", "abstract of arXiv 2312.06736; squeeze_sam of yformer/EfficientSAM at 3477a43"),
    ),
    "tinysam": (Claim("42.0 GFLOPs; COCO AP 42.3, LVIS AP 38.6", "README of xinghaochen/TinySAM"),),
    "picosam3": (
        Claim("1.3 M parameters; COCO mIoU 65.45, LVIS mIoU 64.01; 11.82 ms on a Sony IMX500 (int8)",
              "abstract of arXiv 2603.11917"),
    ),
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
    "efficient_sam3_repvit_s": (Claim("4.72 M parameters in the backbone", _EFFICIENT_SAM3),),
    "efficient_sam3_repvit_m": (Claim("7.77 M parameters in the backbone", _EFFICIENT_SAM3),),
    "efficient_sam3_repvit_l": (Claim("22.40 M parameters in the backbone", _EFFICIENT_SAM3),),
    "efficient_sam3_tinyvit_s": (Claim("5.07 M parameters in the backbone", _EFFICIENT_SAM3),),
    "efficient_sam3_tinyvit_m": (Claim("10.55 M parameters in the backbone", _EFFICIENT_SAM3),),
    "efficient_sam3_tinyvit_l": (Claim("20.62 M parameters in the backbone", _EFFICIENT_SAM3),),
    "efficient_sam3_efficientvit_s": (Claim("0.68 M parameters in the backbone", _EFFICIENT_SAM3),),
    "efficient_sam3_efficientvit_m": (Claim("4.64 M parameters in the backbone", _EFFICIENT_SAM3),),
    "efficient_sam3_efficientvit_l": (Claim("14.98 M parameters in the backbone", _EFFICIENT_SAM3),),
}  # fmt: skip

# Variants in or close to the survey's list that samfleet does not host, and why.
NOT_HOSTED: Mapping[str, str] = {
    "ESAM": "neither code nor weights are public",
    "PQ-SAM": "neither code nor weights are public",
    "Lite-SAM": "no code is public",
    "AoP-SAM": "its repository is a project page without code",
    "SAM-Lightening": "only an anonymous link; the state of the weights is unclear",
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
    "SAM 3's detector": "finds objects by text or example, which no task has; its tracker is hosted",
    "SAM3-LiteText and later files of EfficientSAM3": "made for text prompts",
}
