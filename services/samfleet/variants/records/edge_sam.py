"""EdgeSAM, EdgeSAM-3x (trained three times as long), and EdgeSAM as its exports to ONNX and Core ML compute it.

Its licence, S-Lab License 1.0, allows no commercial use. Its authors rank masks by stability, because the IoU head was
not distilled (README of chongzhou96/EdgeSAM).
"""

from __future__ import annotations

from typing import Literal

from samfleet.variants.conventions import Conventions, MaskRules
from samfleet.variants.record import Checkpoint, HttpsSource, Paper, VariantRecord

LICENCE = "S-Lab-1.0"  # from NTU; not in the SPDX list
WEIGHTS = "https://huggingface.co/spaces/chongzhou/EdgeSAM/resolve/main/weights/"
EDGE_SAM = Checkpoint(
    filename="edge_sam.pth",
    size_bytes=38_807_540,
    sha256=None,
    sources=(HttpsSource(f"{WEIGHTS}edge_sam.pth"),),
)
EDGE_SAM_3X = Checkpoint(
    filename="edge_sam_3x.pth",
    size_bytes=38_807_540,
    sha256="5a3e3261da9e2f4c8154410885689ae57d09cbf4cf5d0c848b9d80b6df336ece",
    sources=(HttpsSource(f"{WEIGHTS}edge_sam_3x.pth"),),
)


def _edge_sam(
    name: str,
    title: str,
    checkpoint: Checkpoint,
    upsampling: Literal["bicubic", "bilinear"],
    parity: Literal["golden", "keys"],
) -> VariantRecord:
    return VariantRecord(
        name=name,
        title=title,
        family="repvit",
        architecture={
            "channels": (48, 96, 192, 384),
            "depths": (3, 3, 15, 2),
            "branch_norms": "each",
            "upsampling": upsampling,
        },
        checkpoint=checkpoint,
        input_size=1024,
        code_licence=LICENCE,
        weights_licence=LICENCE,
        repository="https://github.com/chongzhou96/EdgeSAM",
        paper=Paper("EdgeSAM: Prompt-In-the-Loop Distillation for On-Device Deployment of SAM", "2312.06660"),
        conventions=Conventions(masks=MaskRules(ranked_by="stability")),
        parity=parity,
    )


RECORDS = (
    _edge_sam("edgesam", "EdgeSAM", EDGE_SAM, "bicubic", "golden"),
    _edge_sam("edgesam_3x", "EdgeSAM-3x", EDGE_SAM_3X, "bicubic", "keys"),  # a file with the keys of edge_sam.pth
    _edge_sam("edgesam_bilinear", "EdgeSAM as exported", EDGE_SAM, "bilinear", "golden"),
)
