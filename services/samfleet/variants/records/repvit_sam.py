"""RepViT-SAM."""

from __future__ import annotations

from samfleet.variants.record import Checkpoint, HttpsSource, Paper, VariantRecord

_REPVIT_SAM = VariantRecord(
    name="repvit_sam",
    title="RepViT-SAM",
    family="repvit",
    architecture={
        "channels": (80, 160, 320, 640),
        "depths": (7, 7, 35, 2),
        "branch_norms": "sum",
    },
    checkpoint=Checkpoint(
        filename="repvit_sam.pt",
        size_bytes=None,
        sha256="1fd2867cf669e6d89b1c91d0eb883d83ef4bcc590143dd2ca35e2705b21a4f2f",
        sources=(HttpsSource("https://github.com/THU-MIG/RepViT/releases/download/v1.0/repvit_sam.pt"),),
    ),
    input_size=1024,
    code_licence="Apache-2.0",
    weights_licence="Apache-2.0",
    repository="https://github.com/THU-MIG/RepViT",
    paper=Paper("RepViT-SAM: Towards Real-Time Segmenting Anything", "2312.05760"),
    parity="golden",
)

RECORDS = (_REPVIT_SAM,)
