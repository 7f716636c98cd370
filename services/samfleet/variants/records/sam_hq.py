"""SAM-HQ: one more mask, computed with an early layer of the encoder, refines each of SAM's masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from samfleet.variants.conventions import Conventions, MaskRules
from samfleet.variants.record import Checkpoint, HttpsSource, Paper, VariantRecord
from samfleet.variants.records.sam_vit import BASE, HUGE, LARGE
from samfleet.variants.records.tiny_vit import TINY_VIT_5M


def _record(
    encoder: str,
    architecture: Mapping[str, object],
    parity: Literal["golden", "keys"],
    *,
    family: str = "sam_hq_vit",
    size_bytes: int | None = None,
    sha256: str | None = None,
) -> VariantRecord:
    filename = f"sam_hq_vit_{encoder.lower()}.pth"
    return VariantRecord(
        name=f"sam_hq_vit_{encoder.lower()}",
        title=f"HQ-SAM ViT-{encoder}",
        family=family,
        architecture=architecture,
        checkpoint=Checkpoint(
            filename=filename,
            size_bytes=size_bytes,
            sha256=sha256,
            sources=(HttpsSource(f"https://huggingface.co/lkeab/hq-sam/resolve/main/{filename}"),),
        ),
        input_size=1024,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        repository="https://github.com/SysCV/sam-hq",
        paper=Paper("Segment Anything in High Quality", "2306.01567"),
        conventions=Conventions(masks=MaskRules(multimask_best_only=True)),  # only the best of the three is refined
        parity=parity,
    )


# The hashes are stated by third parties for the official files, such as finegrain-ai/refiners.
RECORDS = (
    _record(
        "Tiny",
        {**TINY_VIT_5M, "intermediate": 1},
        "golden",
        family="sam_hq_tiny_vit",
        sha256="0f32c075ccdd870ae54db2f7630e7a0878ede5a2b06d05d6fe02c65a82fb7196",
    ),
    _record("B", {**BASE, "intermediate": 2}, "golden"),
    _record("L", {**LARGE, "intermediate": 5}, "keys"),
    _record(
        "H",
        {**HUGE, "intermediate": 7},
        "keys",
        size_bytes=2_570_940_653,
        sha256="a7ac14a085326d9fa6199c8c698c4f0e7280afdbb974d2c4660ec60877b45e35",
    ),
)
