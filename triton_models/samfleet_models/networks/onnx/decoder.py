"""A prompt encoder and mask decoder as one ONNX graph, in the two steps of `samfleet_models.decoder.interface`.

A graph returns a prompt's masks together with their predicted IoUs, so scoring runs it and drawing selects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet.variants.graphs import DecoderGraph, MaskCount
from samfleet_models.decoder.interface import DrawnMasks
from samfleet_models.modeling.common import Features
from samfleet_models.modeling.mask_decoder import MASKS
from samfleet_models.modeling.prompt_encoder import Label
from samfleet_models.networks.onnx.graph import Array, Graph, GraphMismatch

# Index of a graph's first mask in the numbering of `samfleet_models.decoder.interface`.
FIRST_MASK: dict[MaskCount, int] = {1: 0, 3: 1, 4: 0}
LOGITS_PER_PIXEL = 4  # side of a mask prompt over that of the embedding
CORNERS = 2  # tokens of a box, the last ones of a prompt in the layout `unpadded`


@dataclass(frozen=True, slots=True, eq=False)
class OnnxImage:
    """The graph's inputs that come from the image, by name, equal for every prompt."""

    features: dict[str, Array]


@dataclass(frozen=True, slots=True)
class OnnxScored:
    """P prompts: `ious` [P, 4], minus infinity for masks that the graph does not return, and `logits` [P, m, h, w]."""

    ious: Tensor
    logits: Tensor


class OnnxDecoder:
    """Decodes with a graph, whose inputs and outputs `names` maps.

    Prompts and masks use a square of `frame_size` pixels.
    """

    lanes = 1  # ONNX Runtime distributes the operators of one run itself

    def __init__(self, graph: Graph, names: DecoderGraph, frame_size: int, device: torch.device) -> None:
        optional = (names.boxes, names.mask_prompt, names.has_mask_prompt, names.image_size)
        inputs = (*names.features, names.coords, names.labels, *(name for name in optional if name))
        graph.require(inputs, (names.masks, names.ious))
        self._graph = graph
        self._names = names
        self._frame_size = frame_size
        self._device = device
        *self._leading, prompts, _, _ = graph.inputs[names.coords].shape
        self._prompts_per_run = prompts or names.prompts_per_run

    def prepare(self, features: Features) -> OnnxImage:
        """Keep `features` [1, ...] as the encoder's graph returns them."""
        return OnnxImage(
            {name: array.cpu().numpy() for name, array in zip(self._names.features, features, strict=True)}
        )

    def score(self, images: OnnxImage | Sequence[OnnxImage], coords: Tensor, labels: Tensor) -> OnnxScored:
        """Run the graph on the prompts of each image, as many at a time as it accepts."""
        contexts = [images] * len(coords) if isinstance(images, OnnxImage) else images
        points, kinds = coords.cpu().numpy(), labels.cpu().numpy()
        boxed = _with_box(kinds) if self._names.boxes else np.zeros(len(kinds), dtype=np.bool_)
        runs = self._runs(contexts, boxed, alone=kinds.shape[1] > CORNERS)
        parts = [self._run(contexts[rows.start], points[rows], kinds[rows]) for rows in runs]
        logits, ious = (torch.from_numpy(np.concatenate(arrays)) for arrays in zip(*parts, strict=True))
        first, count = FIRST_MASK[self._names.mask_count], self._names.mask_count
        placed = ious.new_full((len(ious), MASKS), -torch.inf, dtype=torch.float32)
        placed[:, first : first + count] = ious
        return OnnxScored(placed, logits.float())

    def draw(self, scored: OnnxScored, rows: Tensor, masks: Tensor) -> DrawnMasks:
        """Return the `masks` [n] (0 to 3) of the prompts `rows` [n]. Logits stay on the host."""
        chosen = masks - FIRST_MASK[self._names.mask_count]
        return DrawnMasks(scored.logits[rows, chosen], scored.ious[rows, masks])

    def release_memory(self) -> None:
        """Do nothing; nothing is kept between two calls."""

    def _runs(self, contexts: Sequence[OnnxImage], boxed: NDArray[np.bool_], *, alone: bool) -> Iterator[slice]:
        """Yield slices of adjacent prompts of one image and kind, at most as many as the graph accepts.

        `boxed` [P] marks prompts whose box has a separate input; `alone` if such prompts also have points.
        """
        start = 0
        for end in range(1, len(contexts) + 1):
            full = end - start == (1 if alone and boxed[start] else self._prompts_per_run)
            if full or end == len(contexts) or contexts[end] is not contexts[start] or boxed[end] != boxed[start]:
                yield slice(start, end)
                start = end

    def _run(self, image: OnnxImage, coords: Array, labels: Array) -> tuple[Array, Array]:
        """Return logits [p, m, h, w] and IoUs [p, m] of p prompts; `coords` [p, T, 2], `labels` [p, T]."""
        names = self._names
        feeds = {**image.features, **self._prompts(coords, labels)}
        if names.mask_prompt:
            side = self._embedding_side(image) * LOGITS_PER_PIXEL
            feeds[names.mask_prompt] = np.zeros((len(coords), 1, side, side), np.float32)
        if names.has_mask_prompt:
            feeds[names.has_mask_prompt] = np.zeros(1, np.float32)
        if names.image_size:
            feeds[names.image_size] = np.array([self._frame_size, self._frame_size])
        logits, ious = self._graph.run((names.masks, names.ious), feeds)
        return self._shaped(logits, len(coords), 4), self._shaped(ious, len(coords), 2)

    def _prompts(self, coords: Array, labels: Array) -> dict[str, Array]:
        """Return the inputs for p prompts of one kind; without points, the graph gets one empty list of them."""
        names, leading = self._names, (1,) * len(self._leading)
        feeds: dict[str, Array] = {}
        if names.boxes:
            feeds[names.boxes] = np.zeros((1, 0, 4), np.float32)
            if _with_box(labels).all():
                feeds[names.boxes] = coords[:, -CORNERS:].reshape(1, -1, 4)
                coords, labels = coords[:, :-CORNERS], labels[:, :-CORNERS]
                if not labels.shape[1]:
                    coords, labels = coords[:1], labels[:1]
        feeds[names.coords] = coords.reshape(leading + coords.shape)
        feeds[names.labels] = labels.reshape(leading + labels.shape)
        return feeds

    def _embedding_side(self, image: OnnxImage) -> int:
        return int(image.features[self._names.features[0]].shape[-1])

    def _shaped(self, output: Array, prompts: int, dimensions: int) -> Array:
        """Remove leading dimensions and check the shape against the record."""
        shaped: Array = output.reshape(output.shape[max(0, output.ndim - dimensions) :])
        if shaped.shape[:2] != (prompts, self._names.mask_count):
            raise GraphMismatch(
                f"{self._graph.path.name} returns {output.shape} for {prompts} prompts; its record says "
                f"{self._names.mask_count} masks for each: correct mask_count in the record"
            )
        return shaped


def _with_box(labels: Array) -> NDArray[np.bool_]:
    """Mark the prompts of `labels` [p, T] that end in the corners of a box."""
    marks: NDArray[np.bool_] = labels[:, -1] == Label.BOX_BOTTOM_RIGHT
    return marks
