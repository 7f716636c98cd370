"""EfficientSAM: plain vision transformers pre-trained to reconstruct SAM's features."""

from __future__ import annotations

from samfleet.variants.conventions import Conventions, MaskRules, Preprocessing, PromptRules
from samfleet.variants.record import Checkpoint, HttpsSource, Paper, VariantRecord
from samfleet.variants.task import EverythingParameters

_TREE = "https://raw.githubusercontent.com/yformer/EfficientSAM/d525f622e6f640acf5a0fc37c7ca1f243da5bde0/weights"
_CONVENTIONS = Conventions(
    preprocessing=Preprocessing(resize="stretch", filter="float_bilinear"),
    prompts=PromptRules(layout="efficient_sam", negative_points=False, masks=False, most_points=6),
    masks=MaskRules(upsampling="direct_bicubic", grid_best_only=True),
)
# From EfficientSAM_segment_everything_example.ipynb of its repository, whose grid is half a step further up and left
_EVERYTHING = EverythingParameters(pred_iou_thresh=0.7, stability_score_thresh=0.9, min_mask_region_area=100)


def _record(
    name: str, title: str, width: tuple[int, int], checkpoint: tuple[str, int | None, str | None]
) -> VariantRecord:
    embed_dim, num_heads = width
    filename, size_bytes, sha256 = checkpoint
    return VariantRecord(
        name=name,
        title=title,
        family="efficient_sam",
        architecture={"embed_dim": embed_dim, "depth": 12, "num_heads": num_heads},
        checkpoint=Checkpoint(
            filename=filename,
            size_bytes=size_bytes,
            sha256=sha256,
            sources=(HttpsSource(f"{_TREE}/{filename}"),),
            state_key="model",
        ),
        input_size=1024,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        repository="https://github.com/yformer/EfficientSAM",
        paper=Paper(
            "EfficientSAM: Leveraged Masked Image Pretraining for Efficient Segment Anything",
            "2312.00863",
        ),
        conventions=_CONVENTIONS,
        everything=_EVERYTHING,
        parity="golden",
    )


RECORDS = (
    _record(
        "efficient_sam_ti",
        "EfficientSAM-Ti",
        (192, 3),
        (
            "efficient_sam_vitt.pt",
            40_982_470,
            "dff858b19600a46461cbb7de98f796b23a7a888d9f5e34c0b033f7d6eb9e4e6a",  # as stated by third parties
        ),
    ),
    _record("efficient_sam_s", "EfficientSAM-S", (384, 6), ("efficient_sam_vits.pt.zip", None, None)),
)
