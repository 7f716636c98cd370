"""EfficientTAM: SAM 2 with a plain ViT and without high-resolution features."""

from __future__ import annotations

from samfleet.variants.record import Checkpoint, HttpsSource, Paper, VariantRecord
from samfleet.variants.records.sam2 import CONVENTIONS, EVERYTHING, STATE_KEY


def _efficient_tam(
    name: str, title: str, *, filename: str, checkpoint: tuple[int, str], dim: int, heads: int, input_size: int = 1024
) -> VariantRecord:
    """Return a record; `checkpoint` is the file's size in bytes and its sha256."""
    size_bytes, sha256 = checkpoint
    return VariantRecord(
        name=name,
        title=title,
        family="efficient_tam",
        architecture={"dim": dim, "heads": heads, "depth": 12, "window": 14, "global_blocks": (2, 5, 8, 11)},
        checkpoint=Checkpoint(
            filename=filename,
            size_bytes=size_bytes,
            sha256=sha256,
            sources=(HttpsSource(f"https://huggingface.co/yunyangx/efficient-track-anything/resolve/main/{filename}"),),
            state_key=STATE_KEY,
        ),
        input_size=input_size,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        repository="https://github.com/yformer/EfficientTAM",
        paper=Paper("Efficient Track Anything", "2411.18933"),
        conventions=CONVENTIONS,
        everything=EVERYTHING,
        parity="golden",
    )


RECORDS = (
    _efficient_tam(
        "efficienttam_ti",
        "EfficientTAM-Ti",
        filename="efficienttam_ti.pt",
        checkpoint=(71_616_316, "acbb17b28cca1f860acee09c9ecb6efdb732080dc7a85a07292c31813175fa7d"),
        dim=192,
        heads=3,
    ),
    _efficient_tam(
        "efficienttam_s",
        "EfficientTAM-S",
        filename="efficienttam_s.pt",
        checkpoint=(136_375_868, "2b572be30d9e96ee29c8d785fe157c6b079ede7d56fbc8a3671d4120e63c89cd"),
        dim=384,
        heads=6,
    ),
    _efficient_tam(
        "efficienttam_ti_512",
        "EfficientTAM-Ti at 512 pixels",
        filename="efficienttam_ti_512x512.pt",
        checkpoint=(71_620_052, "7d4d652a465f0081391050932f45d8a66768ccc99c8ea393ce8a5927e83f3b9b"),
        dim=192,
        heads=3,
        input_size=512,
    ),
)
