"""EfficientViT-SAM: L0 to L2 take 512 pixels a side, XL0 and XL1 1024; prompts and masks of all refer to 1024."""

from __future__ import annotations

from collections.abc import Mapping

from samfleet.variants.conventions import Conventions, PromptRules
from samfleet.variants.record import Checkpoint, HttpsSource, Paper, VariantRecord

FRAME_SIZE = 1024


def _large(depths: tuple[int, ...], neck_depth: int) -> dict[str, object]:
    return {
        "widths": (32, 64, 128, 256, 512),
        "depths": depths,
        "blocks": ("res", "fmb", "fmb", "mb", "att"),
        "expansions": (1, 4, 4, 4, 6),
        "fewer_norms": (False, False, False, True, True),
        "neck_stages": (4, 3, 2),
        "neck_depth": neck_depth,
        "neck_expansion": 1,
    }


def _extra_large(depths: tuple[int, ...], neck_depth: int) -> dict[str, object]:
    return {
        "widths": (32, 64, 128, 256, 512, 1024),
        "depths": depths,
        "blocks": ("res", "fmb", "fmb", "fmb", "att@3", "att@3"),
        "expansions": (1, 4, 4, 4, 4, 6),
        "fewer_norms": (False, False, False, False, True, True),
        "neck_stages": (5, 4, 3),
        "neck_depth": neck_depth,
        "neck_expansion": 4,
    }


def _record(size: str, architecture: Mapping[str, object], input_size: int, sha256: str) -> VariantRecord:
    filename = f"efficientvit_sam_{size}.pt"
    return VariantRecord(
        name=f"efficientvit_sam_{size}",
        title=f"EfficientViT-SAM-{size.upper()}",
        family="efficientvit",
        architecture=architecture,
        checkpoint=Checkpoint(
            filename=filename,
            size_bytes=None,
            sha256=sha256,
            sources=(HttpsSource(f"https://huggingface.co/mit-han-lab/efficientvit-sam/resolve/main/{filename}"),),
            state_key="state_dict",
        ),
        input_size=input_size,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        repository="https://github.com/mit-han-lab/efficientvit",
        paper=Paper("EfficientViT-SAM: Accelerated Segment Anything Model Without Performance Loss", "2402.05008"),
        conventions=Conventions(prompts=PromptRules(frame_size=FRAME_SIZE)),
        parity="golden",
    )


# The hashes are those with which InterDigitalInc/CompressAI-Vision (scripts/install.sh) checks its downloads.
RECORDS = (
    _record(
        "l0",
        _large((1, 1, 1, 4, 4), neck_depth=4),
        512,
        "c4f994b01a16d48bcf2fbbb089448cfbf58fae5811edfa8113c953b8b8cc64b8",
    ),
    _record(
        "l1",
        _large((1, 1, 1, 6, 6), neck_depth=8),
        512,
        "fa151df2b9b96896accd505470755cdd293a4c50cdabac95478f3fbd86d9152b",
    ),
    _record(
        "l2",
        _large((1, 2, 2, 8, 8), neck_depth=12),
        512,
        "d4bfd842224cbb99de09acc3325e81ac5b7e8725c8fbdab152305e5d934bfe4a",
    ),
    _record(
        "xl0",
        _extra_large((0, 1, 1, 2, 3, 3), neck_depth=6),
        1024,
        "9bc2f87bd23d6e6d1f7b5beff910f98835c7c333fac73e695bac0bec685968f8",
    ),
    _record(
        "xl1",
        _extra_large((1, 2, 2, 4, 6, 6), neck_depth=12),
        1024,
        "10f42277679427c1183dcff19758e536aa86bcc4304e4b387ff48865784be05c",
    ),
)
