"""The teacher's masks for prompts: objects that its SegEvery finds, each asked for by a box and by a point."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import decode_mask
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import Prompt, PromptsParameters
from samfleet_models.distillation.segmenting import EncodedImage

MOST_OBJECTS = 64
LEAST_SHARE = 5e-4  # of the image: a smaller object is a few pixels of the student's masks


@dataclass(frozen=True, slots=True)
class Answer:
    """The teacher's mask for a prompt, as COCO's RLE of an image of `size` (height, width)."""

    prompt: Prompt
    counts: str
    size: tuple[int, int]

    @property
    def mask(self) -> NDArray[np.bool_]:
        return decode_mask(self.counts, self.size)


def ask_teacher(image: EncodedImage, record: VariantRecord, size: tuple[int, int], grid: int, seed: int) -> bytes:
    """Return the packed answers of one image: boxes and points in turn, of at most 64 objects in random order.

    The point of an object is a random pixel of its mask. A point is ambiguous, so the teacher chooses the best of its
    masks for it, as in the official evaluation.
    """
    task = replace(record.everything, sampler="grid", points_per_side=grid, points_per_batch="auto")
    found = [mask for mask in image.masks(task) if mask.area >= LEAST_SHARE * size[0] * size[1]]
    random = np.random.default_rng(seed)
    chosen = [found[index] for index in random.permutation(len(found))[:MOST_OBJECTS]]
    prompts = [prompt for mask in chosen for prompt in (_box(mask), _point(mask, random))]
    answers = [
        {"prompt": _packed_prompt(prompts[mask.prompt_index or 0]), "counts": mask.counts}
        for mask in (image.masks(PromptsParameters(), prompts) if prompts else ())
        if mask.area
    ]
    return zlib.compress(json.dumps({"size": size, "answers": answers}).encode())


def unpack_answers(packed: bytes) -> tuple[Answer, ...]:
    content = json.loads(zlib.decompress(packed))
    size = (int(content["size"][0]), int(content["size"][1]))
    return tuple(Answer(_unpacked_prompt(one["prompt"]), one["counts"], size) for one in content["answers"])


def _box(mask: MaskRecord) -> Prompt:
    x, y, width, height = mask.bbox
    return Prompt(box=(x, y, x + width, y + height))


def _point(mask: MaskRecord, random: np.random.Generator) -> Prompt:
    return Prompt(points=(random_pixel(decode_mask(mask.counts, mask.size), random),), labels=(1,), multimask=True)


def random_pixel(mask: NDArray[np.bool_], random: np.random.Generator) -> tuple[float, float]:
    """Return a random pixel (x, y) of a mask that has one."""
    rows, columns = np.nonzero(mask)
    index = int(random.integers(len(rows)))
    return float(columns[index]), float(rows[index])


def _packed_prompt(prompt: Prompt) -> Sequence[float]:
    return prompt.box if prompt.box is not None else prompt.points[0]


def _unpacked_prompt(values: Sequence[float]) -> Prompt:
    if len(values) == 2:  # noqa: PLR2004 - a point's coordinates
        return Prompt(points=((values[0], values[1]),), labels=(1,), multimask=True)
    return Prompt(box=(values[0], values[1], values[2], values[3]))
