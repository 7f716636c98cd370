"""SegAny: the masks of each prompt, as `SamPredictor.predict` returns them (segment_anything/predictor.py)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from samfleet.masks.record import MaskRecord
from samfleet.variants.conventions import MaskRules
from samfleet.variants.task import Prompt, PromptsParameters
from samfleet_models.batching.interface import Network
from samfleet_models.batching.requests import DecodeRequest, DecodeResult, ImageTask, MaskChoice, View, decode
from samfleet_models.device.timing import StageClock
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.mask_generation.candidates import xywh
from samfleet_models.mask_generation.prompt_tokens import prompt_tokens
from samfleet_models.modeling.common import Features
from samfleet_models.modeling.mask_decoder import MASKS, SINGLE
from samfleet_models.postprocess.masks import CropPlacement, Selection

Tokens = tuple[NDArray[np.float32], NDArray[np.int64]]


def segment_prompts(
    network: Network,
    features: Features,
    frame: ImageFrame,
    prompts: Sequence[Prompt],
    parameters: PromptsParameters,
    clock: StageClock,
) -> ImageTask:
    """Return the masks of all prompts of one image, in the order of the prompts.

    A prompt returns one mask. A multimask prompt returns the best of three, or all three for `masks="all"`, unless the
    family has another rule (`MaskRules`).
    """
    with clock.measure("decode"):
        view = View(network.decoder.prepare(features), frame, CropPlacement.whole(*frame.original))
    found: dict[int, list[MaskRecord]] = defaultdict(list)
    conventions = network.processor.conventions
    tokens = [prompt_tokens(prompt, frame, conventions.prompts.layout) for prompt in prompts]
    for indices in _group_by_length(tokens):
        own = [tokens[index] for index in indices]
        choice = _choice([prompts[index] for index in indices], parameters, conventions.masks)
        result = yield from decode(_request(view, own, choice))
        for index, record in _records(result, frame.original, indices):
            found[index].append(record)
    return tuple(record for index in range(len(prompts)) for record in found[index])


def _group_by_length(tokens: Sequence[Tokens]) -> list[list[int]]:
    """Return the indices of prompts with the same number of tokens, which share a tensor; the shortest first.

    All images send their requests in this order, so that they share chunks.
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for index, (_, labels) in enumerate(tokens):
        groups[len(labels)].append(index)
    return [groups[count] for count in sorted(groups)]


def _choice(prompts: Sequence[Prompt], parameters: PromptsParameters, rules: MaskRules) -> MaskChoice:
    """Offer one mask per prompt, or all that the rules name for a multimask prompt when all are requested."""
    all_of_multimask = parameters.masks == "all" and not rules.multimask_best_only
    single = rules.multimask if rules.single == "best" else (SINGLE,)
    offered = torch.zeros(len(prompts), MASKS, dtype=torch.bool)
    for row, prompt in zip(offered, prompts, strict=True):
        row[list(rules.multimask if prompt.multimask else single)] = True
    best = [not (all_of_multimask and prompt.multimask) for prompt in prompts]
    return MaskChoice(offered, torch.tensor(best))


def _request(view: View, tokens: Sequence[Tokens], choice: MaskChoice) -> DecodeRequest:
    return DecodeRequest(
        view=view,
        coords=torch.from_numpy(np.stack([points for points, _ in tokens])),
        labels=torch.from_numpy(np.stack([labels for _, labels in tokens])),
        choice=choice,
        selection=Selection(),
    )


def _records(result: DecodeResult, size: tuple[int, int], indices: Sequence[int]) -> Iterator[tuple[int, MaskRecord]]:
    """Yield (prompt index, mask); `indices` are those of the request's prompts."""
    read = result.masks
    for row, counts in enumerate(read.counts):
        index = indices[result.prompts[row]]
        yield (
            index,
            MaskRecord(
                counts=counts,
                size=size,
                area=int(read.areas[row]),
                bbox=xywh(read.boxes[row]),
                predicted_iou=float(result.ious[row]),
                stability_score=float(read.stability[row]),
                prompt_index=index,
            ),
        )
