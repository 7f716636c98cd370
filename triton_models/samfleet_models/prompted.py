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
from samfleet_models.asking import Answers, Ask, Choice, View, Work, ask
from samfleet_models.candidates import xywh
from samfleet_models.mask_decoder import MASKS, MULTI, SINGLE
from samfleet_models.network import SamNetwork
from samfleet_models.preprocess import Frame
from samfleet_models.prompt_encoder import Label
from samfleet_models.reading import Placement, Selection
from samfleet_models.timing import StageClock


def segment_prompts(
    network: SamNetwork,
    embedding: Tensor,
    frame: Frame,
    prompts: Sequence[Prompt],
    parameters: PromptsParameters,
    clock: StageClock,
) -> Work:
    """The masks of all prompts of one image, in the prompts' order.

    A prompt gives one mask; a multimask prompt gives the best of three, or all three for `masks="all"`.
    """
    with clock.measure("decode"):
        view = View(network.decoder.prepare((embedding,)), frame, Placement.whole(*frame.original))
    found: dict[int, list[MaskRecord]] = defaultdict(list)
    for indices in _alike(prompts):
        answers = yield from ask(_question(view, [prompts[index] for index in indices], parameters))
        for index, record in _records(answers, frame.original, indices):
            found[index].append(record)
    return tuple(record for index in range(len(prompts)) for record in found[index])


def _alike(prompts: Sequence[Prompt]) -> list[list[int]]:
    """Indices of prompts that share one tensor, their tokens being equally many; the fewest first.

    All images ask in this order, so that they meet in the same chunks.
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for index, prompt in enumerate(prompts):
        groups[len(prompt.points) + (1 if prompt.box is None else 2)].append(index)
    return [groups[tokens] for tokens in sorted(groups)]


def _question(view: View, prompts: Sequence[Prompt], parameters: PromptsParameters) -> Ask:
    tokens = [prompt_tokens(prompt, view.frame) for prompt in prompts]
    offered = torch.zeros(len(prompts), MASKS, dtype=torch.bool)
    for row, prompt in zip(offered, prompts, strict=True):
        row[MULTI if prompt.multimask else SINGLE] = True
    return Ask(
        view=view,
        coords=torch.from_numpy(np.stack([points for points, _ in tokens])),
        labels=torch.from_numpy(np.stack([labels for _, labels in tokens])),
        choice=Choice(offered, best=parameters.masks == "best"),
        selection=Selection(),
    )


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


def _records(answers: Answers, size: tuple[int, int], indices: Sequence[int]) -> Iterator[tuple[int, MaskRecord]]:
    """(prompt index, mask); `indices` are those of the question's prompts."""
    read = answers.masks
    for row, counts in enumerate(read.counts):
        index = indices[answers.prompts[row]]
        yield (
            index,
            MaskRecord(
                counts=counts,
                size=size,
                area=int(read.areas[row]),
                bbox=xywh(read.boxes[row]),
                predicted_iou=float(answers.ious[row]),
                stability_score=float(read.stability[row]),
                prompt_index=index,
            ),
        )
