"""The contract between the worker and the `sam` backend: tensor names, dtypes and their meaning, in one place.

The worker packs the `SegmentRequest`s of some images and unpacks their `SegmentReply`s; the backend does the reverse;
the generator of `config.pbtxt` reads `INPUTS` and `OUTPUTS`. A request has one or more images in Triton's batch
dimension, so Triton's own batches, limits and statistics count images. Every tensor has one string of bytes per image,
so images and tasks of any shape share one batch, and no tensor is ragged. Numbers are little-endian.

| input | the string of one image |
|---|---|
| IMAGE | the encoded image file |
| PROMPTS | empty without prompts; otherwise their number n as INT32, then INT32 [n, 3] (has a box (1) and a mask (2), \
added, number of points, multimask (0/1)), FP32 [boxes, 4] (x0, y0, x1, y1 of the prompts that have one, in order), \
FP32 [points, 3] (x, y, label of all prompts' points, in order), then, if there are masks, INT32 [masks, 3] (height, \
width, number of characters) and the COCO RLE counts of all |
| TASK | JSON of the task's parameters (`samfleet.variants.task`) |

| output | the string of one image |
|---|---|
| MASKS | empty without masks; otherwise their number n as INT32, then n times `samfleet.wire.packed_masks.MASK`, \
then the COCO RLE counts of all |
| REPORT | JSON of `ImageReport` |
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samfleet.errors import SamfleetError
from samfleet.variants.task import EverythingParameters, Prompt, PromptMask, TaskParameters, task_from_dict
from samfleet.wire.messages import ImageReport, SegmentReply, SegmentRequest
from samfleet.wire.packed_masks import COUNT, PackedMasks, pack_masks, read_count

Arrays = dict[str, NDArray[Any]]
Dims = tuple[int, ...]

STRING: tuple[str, Dims] = ("TYPE_STRING", (1,))
INPUTS: dict[str, tuple[str, Dims]] = {"IMAGE": STRING, "PROMPTS": STRING, "TASK": STRING}
OUTPUTS: dict[str, tuple[str, Dims]] = {"MASKS": STRING, "REPORT": STRING}

BOX, MASK = 1, 2  # flags of a prompt
TASKS_KEPT = 64  # all images of a run have the same task


class WireMismatch(SamfleetError):
    """The worker and the backend use different versions of the contract; deploy the same release on both."""

    code = "wire_mismatch"


def pack_requests(requests: Sequence[SegmentRequest]) -> Arrays:
    """Return the tensors [images, 1] of a request with these images."""
    return {
        "IMAGE": _column([request.image for request in requests]),
        "PROMPTS": _column([_pack_prompts(request.prompts) for request in requests]),
        "TASK": _column([_task_text(request.task) for request in requests]),
    }


def image_rows(arrays: Arrays) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield the image, the prompts and the task of each image. Raises `WireMismatch`."""
    columns = [_strings(arrays, name) for name in INPUTS]
    if len({len(column) for column in columns}) != 1:
        raise WireMismatch(f"{', '.join(INPUTS)} do not have the same number of images")
    image, prompts, task = columns
    yield from zip(image, prompts, task, strict=True)


def unpack_request(
    image: bytes, prompts: bytes, task: bytes, defaults: EverythingParameters | None = None
) -> SegmentRequest:
    """Return the request of an image's row; raises `TaskInvalid` or `WireMismatch`."""
    return SegmentRequest(image, _task_of(task, defaults), _unpack_prompts(prompts))


def pack_replies(replies: Sequence[SegmentReply]) -> Arrays:
    """Return the tensors [images, 1] of the reply to a request with these images."""
    return {
        "MASKS": _column([pack_masks(reply.masks) for reply in replies]),
        "REPORT": _column([reply.report.to_json().encode() for reply in replies]),
    }


def unpack_replies(arrays: Arrays) -> tuple[SegmentReply, ...]:
    """Return the reply of each image; raises `WireMismatch`."""
    masks, reports = (_strings(arrays, name) for name in OUTPUTS)
    if len(masks) != len(reports):
        raise WireMismatch("MASKS and REPORT do not have the same number of images")
    return tuple(_reply(packed, ImageReport.from_json(report)) for packed, report in zip(masks, reports, strict=True))


def _column(strings: Sequence[bytes]) -> NDArray[np.object_]:
    column = np.empty((len(strings), 1), dtype=np.object_)
    column[:, 0] = strings
    return column


def _strings(arrays: Arrays, name: str) -> list[bytes]:
    strings: list[bytes] = arrays[name].reshape(-1).tolist()
    return strings


def _pack_prompts(prompts: Sequence[Prompt]) -> bytes:
    if not prompts:
        return b""
    table = [
        ((prompt.box is not None) + MASK * (prompt.mask is not None), len(prompt.points), prompt.multimask)
        for prompt in prompts
    ]
    boxes = [prompt.box for prompt in prompts if prompt.box is not None]
    points = [(x, y, label) for prompt in prompts for (x, y), label in zip(prompt.points, prompt.labels, strict=True)]
    parts = (np.array(len(prompts), COUNT), np.array(table, COUNT), np.array(boxes, "<f4"), np.array(points, "<f4"))
    packed = b"".join(part.tobytes() for part in parts)
    masks = [prompt.mask for prompt in prompts if prompt.mask is not None]
    if not masks:
        return packed
    sizes = np.array([(*mask.size, len(mask.counts)) for mask in masks], COUNT)
    return packed + sizes.tobytes() + "".join(mask.counts for mask in masks).encode("ascii")


def _unpack_prompts(packed: bytes) -> tuple[Prompt, ...]:
    if not packed:
        return ()
    try:
        count = read_count(packed)
        table = np.frombuffer(packed, COUNT, 3 * count, COUNT.itemsize).reshape(count, 3)
        if table.min() < 0 or table[:, 0].max() > BOX + MASK:
            raise WireMismatch("PROMPTS has numbers or kinds of prompts that this version does not know")
        with_mask = int((table[:, 0] & MASK > 0).sum())
        boxes, points = int((table[:, 0] & BOX).sum()), int(table[:, 1].sum(dtype=np.int64))
        start = COUNT.itemsize * (1 + 3 * count)
        numbers = np.frombuffer(packed, "<f4", 4 * boxes + 3 * points, start)
        masks = _unpack_masks(packed, with_mask, start + numbers.nbytes)
    except ValueError as error:
        raise WireMismatch(f"PROMPTS cannot be read: {error}") from error
    return tuple(_prompts(table, numbers[: 4 * boxes].reshape(-1, 4), numbers[4 * boxes :].reshape(-1, 3), masks))


def _unpack_masks(packed: bytes, count: int, start: int) -> Iterator[PromptMask]:
    """Return the masks, which begin at byte `start`. Raises `ValueError` or `WireMismatch`."""
    sizes = np.frombuffer(packed, COUNT, 3 * count, start).reshape(count, 3).tolist() if count else []
    at, masks = start + 3 * count * COUNT.itemsize, []
    for height, width, length in sizes:
        counts = packed[at : at + length].decode("ascii")
        if min(height, width, length) < 1 or len(counts) != length:
            raise WireMismatch("PROMPTS has other masks than it says")
        masks.append(PromptMask((height, width), counts))
        at += length
    if at != len(packed):
        raise WireMismatch("PROMPTS has other boxes, points and masks than it says")
    return iter(masks)


def _prompts(
    table: NDArray[np.int32], boxes: NDArray[np.float32], points: NDArray[np.float32], masks: Iterator[PromptMask]
) -> Iterator[Prompt]:
    box_at = point_at = 0
    for kinds, n_points, multimask in table.tolist():
        has_box = kinds & BOX
        own = points[point_at : point_at + n_points].tolist()
        yield Prompt(
            points=tuple((x, y) for x, y, _ in own),
            labels=tuple(int(label) for _, _, label in own),
            box=tuple(boxes[box_at].tolist()) if has_box else None,
            multimask=bool(multimask),
            mask=next(masks) if kinds & MASK else None,
        )
        box_at, point_at = box_at + has_box, point_at + n_points


@lru_cache(TASKS_KEPT)
def _task_text(task: TaskParameters) -> bytes:
    return json.dumps(task.to_dict()).encode()


@lru_cache(TASKS_KEPT)
def _task_of(text: bytes, defaults: EverythingParameters | None) -> TaskParameters:
    return task_from_dict(json.loads(text), defaults)


def _reply(packed: bytes, report: ImageReport) -> SegmentReply:
    try:
        return SegmentReply(PackedMasks(packed, (report.height, report.width)), report)
    except ValueError as error:
        raise WireMismatch(f"MASKS cannot be read: {error}") from error
