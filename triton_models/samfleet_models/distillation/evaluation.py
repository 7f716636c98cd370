"""The student's masks against the teacher's, for the same prompts, through the code that serves requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from samfleet.variants.task import Prompt, PromptsParameters
from samfleet_models.batching.interface import Network
from samfleet_models.distillation.answers import Answer
from samfleet_models.distillation.images import TrainingImage
from samfleet_models.distillation.segmenting import EncodedImage

Kind = Literal["box", "point"]
Drawing = Callable[[Prompt, tuple[int, int]], NDArray[np.bool_]]


def kind_of(prompt: Prompt) -> Kind:
    return "point" if prompt.box is None else "box"


def evaluate(network: Network, images: Iterable[tuple[TrainingImage, Sequence[Answer]]]) -> dict[Kind, float]:
    """Return the mean IoU with the teacher's masks, separately for box and point prompts."""
    ious: list[tuple[Kind, float]] = []
    for image, answers in images:
        if answers:
            encoded = EncodedImage(network, image.pixels())
            masks = encoded.masks(PromptsParameters(), [answer.prompt for answer in answers])
            found = {mask.prompt_index: mask.counts for mask in masks}
            ious += [(kind_of(answer.prompt), _iou(found.get(index), answer)) for index, answer in enumerate(answers)]
    return _means(ious)


def baselines(asked: Sequence[Answer]) -> Mapping[str, float]:
    """Return the mean IoU of trivial answers to the validation images' prompts.

    For a box it is the filled box. For a point it is the whole image, or a disc around the point that has the median
    share of the image's area among the teacher's masks for these same points, which favours the disc.
    """
    areas = [float(answer.mask.mean()) for answer in asked if kind_of(answer.prompt) == "point"]
    share = median(areas) if areas else 0.0
    drawings: dict[str, tuple[Kind, Drawing]] = {
        "filled_box": ("box", _filled_box),
        "whole_image": ("point", lambda _, size: np.ones(size, np.bool_)),
        "median_disc": ("point", lambda prompt, size: _disc(prompt, size, share)),
    }
    found = {}
    for name, (kind, draw) in drawings.items():
        own = [answer for answer in asked if kind_of(answer.prompt) == kind]
        if own:
            found[name] = fmean(mask_iou(draw(answer.prompt, answer.size), answer.mask) for answer in own)
    return found


def mask_iou(found: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> float:
    union = int((found | wanted).sum())
    return int((found & wanted).sum()) / union if union else 0.0


def _filled_box(prompt: Prompt, size: tuple[int, int]) -> NDArray[np.bool_]:
    x0, y0, x1, y1 = prompt.box or (0.0, 0.0, -1.0, -1.0)
    rows, columns = np.arange(size[0])[:, None], np.arange(size[1])
    filled: NDArray[np.bool_] = (rows >= y0) & (rows <= y1) & (columns >= x0) & (columns <= x1)
    return filled


def _disc(prompt: Prompt, size: tuple[int, int], share: float) -> NDArray[np.bool_]:
    ((x, y),) = prompt.points
    rows, columns = np.arange(size[0])[:, None], np.arange(size[1])
    disc: NDArray[np.bool_] = (rows - y) ** 2 + (columns - x) ** 2 <= share * size[0] * size[1] / np.pi
    return disc


def _iou(counts: str | None, answer: Answer) -> float:
    if counts is None:
        return 0.0
    size = list(answer.size)
    found, wanted = ({"size": size, "counts": code} for code in (counts, answer.counts))
    return float(coco_mask.iou([found], [wanted], [0])[0, 0])


def _means(ious: Sequence[tuple[Kind, float]]) -> dict[Kind, float]:
    kinds: tuple[Kind, Kind] = ("box", "point")
    return {kind: fmean(own) for kind in kinds if (own := [iou for found, iou in ious if found == kind])}
