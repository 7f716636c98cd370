"""EfficientSAM3, stage 1: small image trunks that learned the features of SAM 3's, with the rest of SAM 3's file.

Only points and boxes are served, with the same prompts and heads as `sam3_tracker`. The repository's README linked
these files from December 2025 to June 2026 (commits 11e18d6 to 8d1443f); today its README links later files with other
text encoders, and only docs/index.html the folder of these. Whether the addresses still work is not known here. Each
file repeats SAM 3's other parameters, so Meta's licence applies besides the repository's. The trunks learned from 1 %
of SA-1B. The repository's converter gives the files with `_geo_ft` in their name the same layout, so they can be
imported as a user's own variant.

The keys of the trunks are those of the repository's modules (c1f0b02). The trunks of the three smallest variants also
gave the same features on random weights, within 1e-6 of the largest; no test repeats that.
"""

from __future__ import annotations

from collections.abc import Mapping

from samfleet.variants.record import Checkpoint, HttpsSource, ManualSource, Paper, VariantRecord
from samfleet.variants.records import sam2
from samfleet.variants.records.sam3 import CONVENTIONS, INPUT_SIZE, LICENCE, STATE_KEY

HUB = "https://huggingface.co/Simon7108528/EfficientSAM3"


def _student(backbone: str, size: str, family: str, title: str, architecture: Mapping[str, object]) -> VariantRecord:
    filename = f"efficient_sam3_{backbone}_{size}.pt"
    return VariantRecord(
        name=f"efficient_sam3_{backbone}_{size}",
        title=f"EfficientSAM3 {title}",
        family=family,
        architecture=architecture,
        checkpoint=Checkpoint(
            filename=filename,
            size_bytes=None,
            sha256=None,
            sources=(HttpsSource(f"{HUB}/resolve/main/stage1_all_converted/{filename}"), ManualSource(HUB)),
            state_key=STATE_KEY,
        ),
        input_size=INPUT_SIZE,
        code_licence="Apache-2.0",
        weights_licence=f"Apache-2.0 AND {LICENCE}",
        repository="https://github.com/SimonZeng7108/efficientsam3",
        paper=Paper(
            "EfficientSAM3: Progressive Hierarchical Distillation for Video Concept Segmentation from SAM1, 2, and 3",
            "2511.15833",
        ),
        conventions=CONVENTIONS,
        everything=sam2.EVERYTHING,
        parity="keys",
    )


def _repvit(size: str, title: str, channels: tuple[int, ...], depths: tuple[int, ...]) -> VariantRecord:
    sizes = {"channels": channels, "depths": depths, "branch_norms": "sum"}
    return _student("repvit", size, "efficient_sam3_repvit", title, sizes)


def _tiny_vit(size: str, title: str, embed_dims: tuple[int, ...], num_heads: tuple[int, ...]) -> VariantRecord:
    sizes = {
        "embed_dims": embed_dims,
        "depths": (2, 2, 6, 2),
        "num_heads": num_heads,
        "window_sizes": (7, 7, 14, 7),
        "last_stride": 2,
    }
    return _student("tinyvit", size, "efficient_sam3_tiny_vit", title, sizes)


def _efficientvit(
    size: str, title: str, widths: tuple[int, ...], depths: tuple[int, ...], attention_dim: int
) -> VariantRecord:
    sizes = {"widths": widths, "depths": depths, "attention_dim": attention_dim}
    return _student("efficientvit", size, "efficient_sam3_efficientvit", title, sizes)


RECORDS = (
    _repvit("s", "RepViT-M0.9", (48, 96, 192, 384), (3, 3, 15, 2)),
    _repvit("m", "RepViT-M1.1", (64, 128, 256, 512), (3, 3, 13, 2)),
    _repvit("l", "RepViT-M2.3", (80, 160, 320, 640), (7, 7, 35, 2)),
    _tiny_vit("s", "TinyViT-5M", (64, 128, 160, 320), (2, 4, 5, 10)),
    _tiny_vit("m", "TinyViT-11M", (64, 128, 256, 448), (2, 4, 8, 14)),
    _tiny_vit("l", "TinyViT-21M", (96, 192, 384, 576), (3, 6, 12, 18)),
    _efficientvit("s", "EfficientViT-B0", (8, 16, 32, 64, 128), (1, 2, 2, 2, 2), 16),
    _efficientvit("m", "EfficientViT-B1", (16, 32, 64, 128, 256), (1, 2, 3, 3, 4), 16),
    _efficientvit("l", "EfficientViT-B2", (24, 48, 96, 192, 384), (1, 3, 4, 4, 6), 32),
)
