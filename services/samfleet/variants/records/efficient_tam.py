"""EfficientTAM: SAM 2 with a plain ViT and without high-resolution features.

The variants /1 and /2 pool the keys and values of the memory attention in two ways (`EfficientRoPEAttention1` and `2`
of the official code). Pooling has no parameters and single images have no memory, so their networks for images are
those of the base variants, with weights from their own training.
"""

from __future__ import annotations

from collections.abc import Mapping

from samfleet.variants.record import Checkpoint, HttpsSource, Paper, Parity, VariantRecord
from samfleet.variants.records.sam2 import CONVENTIONS, EVERYTHING, STATE_KEY


def _efficient_tam(
    name: str,
    title: str,
    *,
    filename: str,
    checkpoint: tuple[int | None, str],
    sizes: Mapping[str, int],
    input_size: int = 1024,
    parity: Parity = "golden",
) -> VariantRecord:
    """Return a record; `checkpoint` is the file's size in bytes, if published, and its sha256."""
    size_bytes, sha256 = checkpoint
    return VariantRecord(
        name=name,
        title=title,
        family="efficient_tam",
        architecture={**sizes, "depth": 12, "window": 14, "global_blocks": (2, 5, 8, 11)},
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
        parity=parity,
    )


TINY = {"dim": 192, "heads": 3}
SMALL = {"dim": 384, "heads": 6}

RECORDS = (
    _efficient_tam(
        "efficienttam_ti",
        "EfficientTAM-Ti",
        filename="efficienttam_ti.pt",
        checkpoint=(71_616_316, "acbb17b28cca1f860acee09c9ecb6efdb732080dc7a85a07292c31813175fa7d"),
        sizes=TINY,
    ),
    _efficient_tam(
        "efficienttam_s",
        "EfficientTAM-S",
        filename="efficienttam_s.pt",
        checkpoint=(136_375_868, "2b572be30d9e96ee29c8d785fe157c6b079ede7d56fbc8a3671d4120e63c89cd"),
        sizes=SMALL,
    ),
    _efficient_tam(
        "efficienttam_ti_512",
        "EfficientTAM-Ti at 512 pixels",
        filename="efficienttam_ti_512x512.pt",
        checkpoint=(71_620_052, "7d4d652a465f0081391050932f45d8a66768ccc99c8ea393ce8a5927e83f3b9b"),
        sizes=TINY,
        input_size=512,
    ),
    _efficient_tam(
        "efficienttam_s_512",
        "EfficientTAM-S at 512 pixels",
        filename="efficienttam_s_512x512.pt",
        checkpoint=(136_379_145, "67b5840012737ed2c94a4cb8787c5c1b27b3a946045d2e602e65ef77230b6085"),
        sizes=SMALL,
        input_size=512,
        parity="keys",
    ),
    _efficient_tam(
        "efficienttam_s_1",
        "EfficientTAM-S/1",
        filename="efficienttam_s_1.pt",
        checkpoint=(136_376_327, "4fd5d1f7ae08a7e15086623bf8b12f0b111b773b15564b43c0a5d451fc1a4267"),
        sizes=SMALL,
        parity="keys",
    ),
    _efficient_tam(
        "efficienttam_s_2",
        "EfficientTAM-S/2",
        filename="efficienttam_s_2.pt",
        checkpoint=(136_376_327, "253e490b4a3d56eedd64e4d466155ec538d1289f52abe78b091b14caefd92343"),
        sizes=SMALL,
        parity="keys",
    ),
    _efficient_tam(
        "efficienttam_ti_1",
        "EfficientTAM-Ti/1",
        filename="efficienttam_ti_1.pt",
        checkpoint=(None, "5294bd68820ee1ee5203d54065d4384a6aa1fb4fc632c147417478fcac9576ea"),
        sizes=TINY,
        parity="keys",
    ),
    _efficient_tam(
        "efficienttam_ti_2",
        "EfficientTAM-Ti/2",
        filename="efficienttam_ti_2.pt",
        checkpoint=(None, "d2a9ca0a736257ee9bb238d335ba7c794ad853e594cb4f679019ecc0854ee587"),
        sizes=TINY,
        parity="keys",
    ),
)
