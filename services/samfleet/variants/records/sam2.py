"""SAM 2.1. Single images need only its image encoder, prompt encoder and mask decoder."""

from __future__ import annotations

from samfleet.variants.conventions import Conventions, MaskRules, Preprocessing, PromptRules
from samfleet.variants.record import Checkpoint, HttpsSource, Paper, VariantRecord
from samfleet.variants.task import EverythingParameters

CONVENTIONS = Conventions(
    Preprocessing(resize="stretch", filter="float_antialiased"),
    PromptRules(layout="sam2"),
    MaskRules(upsampling="direct", single="own_if_stable"),
)
"""Conventions of `SAM2ImagePredictor` (sam2/sam2_image_predictor.py, sam2/utils/transforms.py) and its successors."""

EVERYTHING = EverythingParameters(pred_iou_thresh=0.8)
"""Defaults of `SAM2AutomaticMaskGenerator` (sam2/automatic_mask_generator.py)."""

STATE_KEY = "model"


def _hiera(
    size: str,
    *,
    published: str,
    checkpoint: tuple[int, str],
    architecture: dict[str, object],
) -> VariantRecord:
    """Return a record; `published` is the size in file names, `checkpoint` the file's size in bytes and its sha256."""
    size_bytes, sha256 = checkpoint
    filename = f"sam2.1_hiera_{published}.pt"
    mirror = f"sam2.1-hiera-{published.replace('_', '-')}"
    return VariantRecord(
        name=f"sam2_1_hiera_{size}",
        title=f"SAM 2.1 Hiera {published.replace('_', ' ')}",
        family="sam2",
        architecture={"window_spec": (8, 4, 14, 7), "position_grid": 7} | architecture,
        checkpoint=Checkpoint(
            filename=filename,
            size_bytes=size_bytes,
            sha256=sha256,
            sources=(
                HttpsSource(f"https://dl.fbaipublicfiles.com/segment_anything_2/092824/{filename}"),
                HttpsSource(f"https://huggingface.co/facebook/{mirror}/resolve/main/{filename}"),
            ),
            state_key=STATE_KEY,
        ),
        input_size=1024,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        repository="https://github.com/facebookresearch/sam2",
        paper=Paper("SAM 2: Segment Anything in Images and Videos", "2408.00714"),
        conventions=CONVENTIONS,
        everything=EVERYTHING,
        parity="keys" if size == "l" else "golden",
    )


RECORDS = (
    _hiera(
        "t",
        published="tiny",
        checkpoint=(156_008_466, "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69"),
        architecture={"embed_dim": 96, "heads": 1, "stages": (1, 2, 7, 2), "global_att_blocks": (5, 7, 9)},
    ),
    _hiera(
        "s",
        published="small",
        checkpoint=(184_416_285, "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38"),
        architecture={"embed_dim": 96, "heads": 1, "stages": (1, 2, 11, 2), "global_att_blocks": (7, 10, 13)},
    ),
    _hiera(
        "b_plus",
        published="base_plus",
        checkpoint=(323_606_802, "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5"),
        architecture={
            "embed_dim": 112,
            "heads": 2,
            "stages": (2, 3, 16, 3),
            "global_att_blocks": (12, 16, 20),
            "position_grid": 14,
        },
    ),
    _hiera(
        "l",
        published="large",
        checkpoint=(898_083_611, "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318"),
        architecture={
            "embed_dim": 144,
            "heads": 2,
            "stages": (2, 6, 36, 4),
            "global_att_blocks": (23, 33, 43),
            "window_spec": (8, 4, 16, 8),
        },
    ),
)
