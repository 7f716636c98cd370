"""SegAny: the masks of each prompt, as `SamPredictor.predict` returns them (segment_anything/predictor.py)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from samfleet.masks.record import MaskRecord
from samfleet.variants.conventions import MaskRules
from samfleet.variants.task import Prompt, PromptMask, PromptsParameters
from samfleet_models.batching.interface import Network
from samfleet_models.batching.requests import DecodeRequest, DecodeResult, ImageTask, MaskChoice, View, decode
from samfleet_models.decoder.interface import MaskedDecoder
from samfleet_models.device.timing import StageClock
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.mask_generation.candidates import xywh
from samfleet_models.mask_generation.mask_prompts import mask_logits
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

    A mask prompt changes the image for the decoder, so each of them is decoded alone, on a separate context.

    A prompt returns one mask. A multimask prompt returns the best of three, or all three for `masks="all"`, unless the
    family has another rule (`MaskRules`).
    """
    plain = [index for index, prompt in enumerate(prompts) if prompt.mask is None]
    found: dict[int, list[MaskRecord]] = defaultdict(list)
    conventions = network.processor.conventions
    tokens = [prompt_tokens(prompt, frame, conventions.prompts.layout) for prompt in prompts]
    groups = [(None, indices) for indices in _group_by_length(tokens, plain)]
    masked = [(prompt.mask, [index]) for index, prompt in enumerate(prompts) if prompt.mask is not None]
    context = _prepared(network, features, frame, None, clock) if plain else None
    for mask, indices in (*groups, *masked):
        if mask is not None:
            context = _prepared(network, features, frame, mask, clock)
        view = View(context, frame, CropPlacement.whole(*frame.original))
        own = [tokens[index] for index in indices]
        choice = _choice([prompts[index] for index in indices], parameters, conventions.masks)
        result = yield from decode(_request(view, own, choice))
        for index, record in _records(result, frame.original, indices):
            found[index].append(record)
    return tuple(record for index in range(len(prompts)) for record in found[index])


def _prepared(
    network: Network, features: Features, frame: ImageFrame, mask: PromptMask | None, clock: StageClock
) -> Any:
    """Return the decoder's context of the image, with a mask or without."""
    with clock.measure("decode"):
        if mask is None:
            return network.decoder.prepare(features)
        return cast("MaskedDecoder", network.decoder).prepare_masked(features, partial(mask_logits, mask, frame))


def _group_by_length(tokens: Sequence[Tokens], indices: Sequence[int]) -> list[list[int]]:
    """Return these indices of prompts by their number of tokens; those of a group share a tensor. Shortest first.

    All images send their requests in this order, so that they share chunks.
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for index in indices:
        groups[len(tokens[index][1])].append(index)
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
