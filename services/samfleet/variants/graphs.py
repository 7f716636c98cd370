"""What a pair of ONNX graphs calls its inputs and outputs, so that any export is data and none is code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from samfleet.variants.conventions import MaskRules, Upsampling

Layout = Literal["nchw", "nhwc", "hwc"]
MaskCount = Literal[1, 3, 4]


@dataclass(frozen=True, slots=True)
class EncoderGraph:
    """`image` takes one image of side S, pre-processed; `features` are what the decoder gets, the embedding first."""

    image: str = "input"
    features: tuple[str, ...] = ("output",)
    layout: Layout = "nchw"


@dataclass(frozen=True, slots=True)
class DecoderGraph:
    """Inputs and outputs of a prompt encoder and mask decoder in one graph; None where the graph has no such input.

    `features` take the encoder's in the same order, `coords` [N, T, 2] are (x, y) in pixels of the frame and
    `labels` [N, T] say what they are, box corners being 2 and 3; both may have one more dimension in front.
    `mask_prompt` gets zeros and `has_mask_prompt` says that they mean nothing. `image_size` (height, width) is what
    the graph resizes `masks` to: it gets the frame's, so that they come in the frame, padding included.

    `masks` [N, m, h, w] are logits of `mask_count` masks per prompt: one that the graph has chosen, the three that
    answer an ambiguous prompt, or the one that answers alone and then these three; `ious` [N, m] are their predicted
    IoUs.
    At most `prompts_per_run` prompts are given to a graph that leaves their number open, one to any other.
    """

    features: tuple[str, ...] = ("image_embeddings",)
    coords: str = "point_coords"
    labels: str = "point_labels"
    mask_prompt: str | None = None
    has_mask_prompt: str | None = None
    image_size: str | None = None
    masks: str = "masks"
    ious: str = "iou_predictions"
    mask_count: MaskCount = 4
    prompts_per_run: int = 8


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one exporter calls things."""

    encoder: EncoderGraph
    decoder: DecoderGraph


DIALECTS: dict[str, Dialect] = {
    # scripts/export_onnx_model.py of facebookresearch/segment-anything; encoders have no official export
    "sam": Dialect(
        EncoderGraph(),
        DecoderGraph(
            mask_prompt="mask_input",
            has_mask_prompt="has_mask_input",
            image_size="orig_im_size",
            masks="low_res_masks",
        ),
    ),
    # the usual export of SAM 2's image path: skips at two resolutions, three masks, any number of prompts
    "sam2": Dialect(
        EncoderGraph("image", ("image_embed", "high_res_feats_0", "high_res_feats_1")),
        DecoderGraph(
            features=("image_embed", "high_res_feats_0", "high_res_feats_1"),
            mask_prompt="mask_input",
            has_mask_prompt="has_mask_input",
            mask_count=3,
        ),
    ),
    # scripts/export_onnx_model.py of chongzhou96/EdgeSAM
    "edgesam": Dialect(EncoderGraph("image", ("image_embeddings",)), DecoderGraph(ious="scores")),
    # EfficientViT-SAM's export of mit-han-lab/efficientvit
    "efficientvit": Dialect(EncoderGraph("input_image", ("image_embeddings",)), DecoderGraph(masks="low_res_masks")),
}


def mask_rules(count: MaskCount, upsampling: Upsampling = "through_frame") -> MaskRules:
    """Which of so many masks answer."""
    match count:
        case 1:
            return MaskRules(upsampling, multimask=(0,))
        case 3:
            return MaskRules(upsampling, single="best")
        case 4:
            return MaskRules(upsampling)
