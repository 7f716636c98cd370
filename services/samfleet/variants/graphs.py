"""Names of the inputs and outputs of a pair of ONNX graphs, as data: another export needs no code."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from samfleet.variants.conventions import MaskRules, PromptRules, Upsampling

Layout = Literal["nchw", "nhwc", "hwc"]
MaskCount = Literal[1, 3, 4]


@dataclass(frozen=True, slots=True)
class EncoderGraph:
    """Names of an encoder graph.

    `image` takes one preprocessed image of side S; `features` go to the decoder, the embedding first.
    """

    image: str = "input"
    features: tuple[str, ...] = ("output",)
    layout: Layout = "nchw"


@dataclass(frozen=True, slots=True)
class DecoderGraph:
    """Names of a prompt encoder and mask decoder in one graph; None for inputs that the graph does not have.

    `features` take the encoder's features in the same order. `coords` [N, T, 2] are (x, y) in pixels of the frame,
    `labels` [N, T] are their kinds, 2 and 3 for box corners; both may have one more dimension in front. A graph with
    `boxes` [1, N, 4] (x0, y0, x1, y1) takes boxes there and not as points; the input that a prompt does not need is
    empty, and a prompt with a box and points runs alone. `mask_prompt`
    gets zeros and `has_mask_prompt` says that they mean nothing. `image_size` (height, width) is the size to which the
    graph resizes `masks`: it gets the frame's, so masks come in the frame, padding included.

    `masks` [N, m, h, w] are logits of `mask_count` masks per prompt: one that the graph has chosen; the three for an
    ambiguous prompt; or the one for an unambiguous prompt and then these three. `ious` [N, m] are their predicted IoUs.

    A graph with an open number of prompts gets at most `prompts_per_run` of them, any other graph gets one.
    """

    features: tuple[str, ...] = ("image_embeddings",)
    coords: str = "point_coords"
    labels: str = "point_labels"
    boxes: str | None = None
    mask_prompt: str | None = None
    has_mask_prompt: str | None = None
    image_size: str | None = None
    masks: str = "masks"
    ious: str = "iou_predictions"
    mask_count: MaskCount = 4
    prompts_per_run: int = 8


@dataclass(frozen=True, slots=True)
class Dialect:
    """Names that one exporter uses, and the prompts that its graphs take."""

    encoder: EncoderGraph
    decoder: DecoderGraph
    prompts: PromptRules = field(default_factory=partial(PromptRules, masks=False))  # the graphs get no mask


_SAM2_FEATURES = ("image_embeddings.2", "image_embeddings.0", "image_embeddings.1")  # the embedding and two skips

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
    # SamModel of transformers as optimum exports it (SAMModelPatcher, variant "split") for transformers.js. The graph
    # pads the points itself, and transformers' prompt encoder knows no labels for the corners of a box.
    "transformers_sam": Dialect(
        EncoderGraph("pixel_values", ("image_embeddings", "image_positional_embeddings")),
        DecoderGraph(
            features=("image_embeddings", "image_positional_embeddings"),
            coords="input_points",
            labels="input_labels",
            masks="pred_masks",
            ious="iou_scores",
            mask_count=3,
        ),
        PromptRules("unpadded", boxes=False, masks=False),
    ),
    # Sam2Model and its successors in the exports of onnx-community for transformers.js
    "transformers_sam2": Dialect(
        EncoderGraph("pixel_values", _SAM2_FEATURES),
        DecoderGraph(
            features=_SAM2_FEATURES,
            coords="input_points",
            labels="input_labels",
            boxes="input_boxes",
            masks="pred_masks",
            ious="iou_scores",
            mask_count=3,
        ),
        PromptRules("unpadded", masks=False),
    ),
}


def mask_rules(count: MaskCount, upsampling: Upsampling = "through_frame") -> MaskRules:
    """Return the mask rules for a graph with this number of masks."""
    match count:
        case 1:
            return MaskRules(upsampling, multimask=(0,))
        case 3:
            return MaskRules(upsampling, single="best")
        case 4:
            return MaskRules(upsampling)
