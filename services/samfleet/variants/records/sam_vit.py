"""Segment Anything with its original ViT encoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from samfleet.variants.record import Checkpoint, HttpsSource, Paper, VariantRecord

BASE: Mapping[str, object] = {
    "embed_dim": 768,
    "depth": 12,
    "num_heads": 12,
    "mlp_dim": 3072,
    "global_blocks": (2, 5, 8, 11),
}
LARGE: Mapping[str, object] = {
    "embed_dim": 1024,
    "depth": 24,
    "num_heads": 16,
    "mlp_dim": 4096,
    "global_blocks": (5, 11, 17, 23),
}
HUGE: Mapping[str, object] = {
    "embed_dim": 1280,
    "depth": 32,
    "num_heads": 16,
    "mlp_dim": 5120,
    "global_blocks": (7, 15, 23, 31),
}


def _record(
    size: str,
    architecture: Mapping[str, object],
    checkpoint: tuple[str, int, str],
    parity: Literal["golden", "keys"],
) -> VariantRecord:
    filename, size_bytes, sha256 = checkpoint
    return VariantRecord(
        name=f"sam_vit_{size.lower()}",
        title=f"SAM ViT-{size}",
        family="sam_vit",
        architecture=architecture,
        checkpoint=Checkpoint(
            filename=filename,
            size_bytes=size_bytes,
            sha256=sha256,
            sources=(HttpsSource(f"https://dl.fbaipublicfiles.com/segment_anything/{filename}"),),
        ),
        input_size=1024,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        repository="https://github.com/facebookresearch/segment-anything",
        paper=Paper("Segment Anything", "2304.02643"),
        parity=parity,
    )


# The hashes are stated by third parties for the official files, such as micro-sam (computational-cell-analytics).
_FILES = {
    "B": ("sam_vit_b_01ec64.pth", 375_042_383, "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"),
    "L": ("sam_vit_l_0b3195.pth", 1_249_524_607, "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622"),
    "H": ("sam_vit_h_4b8939.pth", 2_564_550_879, "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e"),
}

RECORDS = (
    _record("B", BASE, _FILES["B"], "golden"),
    _record("L", LARGE, _FILES["L"], "keys"),
    _record("H", HUGE, _FILES["H"], "keys"),
)
