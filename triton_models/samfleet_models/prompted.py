"""SegAny: one answer per prompt, as `SamPredictor.predict` gives it (segment_anything/predictor.py)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet.masks.record import MaskRecord
from samfleet.variants.task import Prompt, PromptsParameters
from samfleet_models.candidates import xywh
from samfleet_models.chunks import in_chunks
from samfleet_models.folded.context import ImageContext
from samfleet_models.mask_decoder import MULTI, SINGLE
from samfleet_models.network import SamNetwork
from samfleet_models.preprocess import Frame
from samfleet_models.prompt_encoder import Label
from samfleet_models.reading import Placement, ReadMasks, Selection, read_masks
from samfleet_models.timing import StageClock


def segment_prompts(
    network: SamNetwork,
    embedding: Tensor,
    frame: Frame,
    prompts: Sequence[Prompt],
    parameters: PromptsParameters,
    clock: StageClock,
) -> tuple[MaskRecord, ...]:
    """The masks of all prompts of one image, in the prompts' order.

    A prompt gives one mask; a multimask prompt gives the best of three, or all three for `masks="all"`.
    """
    with clock.measure("decode"):
        context = network.decoder.prepare(embedding)
    answers: dict[int, list[MaskRecord]] = {}
    for indices in _alike(prompts):
        points = len(prompt_tokens(prompts[indices[0]], frame)[1])
        parts = in_chunks(
            len(indices),
            network.prompts_per_pass(points=points),
            lambda rows, alike=indices: _answer(network, context, frame, prompts, alike[rows], parameters, clock),  # type: ignore[misc]  # a default binds the loop's value
            network.release_memory,
        )
        for part in parts:
            answers |= part
    return tuple(record for index in range(len(prompts)) for record in answers[index])


def _answer(
    network: SamNetwork,
    context: ImageContext,
    frame: Frame,
    prompts: Sequence[Prompt],
    indices: Sequence[int],
    parameters: PromptsParameters,
    clock: StageClock,
) -> dict[int, list[MaskRecord]]:
    """The masks of the prompts `indices`, which share one tensor. Only those that answer are drawn."""
    with clock.measure("decode"):
        tokens = [prompt_tokens(prompts[index], frame) for index in indices]
        coords = torch.from_numpy(np.stack([points for points, _ in tokens])).to(network.device)
        labels = torch.from_numpy(np.stack([labels for _, labels in tokens])).to(network.device)
        scored = network.decoder.score(context, coords, labels)
        ious = scored.ious.float().cpu().numpy()
        chosen = [_chosen(prompts[i].multimask, ious[at], parameters) for at, i in enumerate(indices)]
        rows = np.repeat(np.arange(len(indices)), [len(masks) for masks in chosen])
        masks = np.concatenate(chosen)
        low_res = network.decoder.draw(scored, *(torch.from_numpy(a).to(network.device) for a in (rows, masks)))
    with clock.measure("postprocess"):
        read = read_masks(low_res, frame, Placement.whole(*frame.original), Selection())
        answers: dict[int, list[MaskRecord]] = defaultdict(list)
        for row, record in enumerate(_records(read, frame.original, np.array(indices)[rows], ious[rows, masks])):
            answers[indices[rows[row]]].append(record)
        return answers


def _alike(prompts: Sequence[Prompt]) -> Iterator[list[int]]:
    """Indices of prompts that share one tensor: equally many points, all with or all without a box."""
    groups: dict[tuple[int, bool], list[int]] = defaultdict(list)
    for index, prompt in enumerate(prompts):
        groups[len(prompt.points), prompt.box is not None].append(index)
    yield from groups.values()


def prompt_tokens(prompt: Prompt, frame: Frame) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Coordinates [T, 2] in the network input's frame and labels [T]: the points, then the box or a padding point.

    Scaled in float64, then float32, as the official predictor does.
    """
    points = frame.to_input(np.array(prompt.points, dtype=np.float64).reshape(-1, 2))
    if prompt.box is None:
        last, kinds = np.zeros((1, 2)), [Label.PADDING]
    else:
        last = frame.to_input(np.array(prompt.box, dtype=np.float64).reshape(2, 2))
        kinds = [Label.BOX_TOP_LEFT, Label.BOX_BOTTOM_RIGHT]
    labels = np.array([*prompt.labels, *kinds], dtype=np.int64)
    return np.concatenate([points, last]).astype(np.float32), labels


def _chosen(multimask: bool, ious: NDArray[np.float32], parameters: PromptsParameters) -> NDArray[np.int64]:
    """Which of the decoder's four masks answer a prompt; `ious` [4]."""
    masks = np.arange(len(ious))[MULTI if multimask else SINGLE]
    if parameters.masks == "best":
        return masks[[ious[masks].argmax()]]
    return masks


def _records(
    read: ReadMasks, size: tuple[int, int], prompts: NDArray[np.int64], ious: NDArray[np.float32]
) -> Iterator[MaskRecord]:
    for row, counts in enumerate(read.counts):
        yield MaskRecord(
            counts=counts,
            size=size,
            area=int(read.areas[row]),
            bbox=xywh(read.boxes[row]),
            predicted_iou=float(ious[row]),
            stability_score=float(read.stability[row]),
            prompt_index=int(prompts[row]),
        )
