"""The masks of one image as the string of bytes that a reply carries; `samfleet.wire.tensors` names it MASKS.

Most masks go from a reply straight into a part file. So a reply keeps its bytes, and makes records or rows of them only
when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, overload

import numpy as np

from samfleet.masks.record import MaskRecord

MASK = np.dtype(
    [
        ("box", "<f4", 4),  # x, y, width, height
        ("scores", "<f4", 2),  # predicted IoU, stability score
        ("origin", "<f4", 7),  # prompt index (-1: none), point x, y, crop box x, y, width, height (-1: none)
        ("area", "<i8"),  # pixels
        ("counts", "<i4"),  # bytes of its RLE counts
    ]
)
COUNT = np.dtype("<i4")

Row = tuple[str, list[float], list[float], int, list[float]]  # RLE counts, then the fields of MASK in its order


def pack_masks(masks: Sequence[MaskRecord]) -> bytes:
    if not masks:
        return b""
    rows = [
        (mask.bbox, (mask.predicted_iou, mask.stability_score), _origin(mask), mask.area, len(mask.counts))
        for mask in masks
    ]
    counts = "".join([mask.counts for mask in masks])
    return np.array(len(masks), COUNT).tobytes() + np.array(rows, MASK).tobytes() + counts.encode("ascii")


def read_count(packed: bytes) -> int:
    """Return the number at the beginning; raises `ValueError` unless it is positive."""
    count = int(np.frombuffer(packed, COUNT, 1)[0])
    if count < 1:
        raise ValueError(f"it says that it has {count}")
    return count


class PackedMasks(Sequence[MaskRecord]):
    """The masks of a reply, in the order of the backend. `size` is (height, width) of their image.

    Equal to any sequence of the same records. Raises `ValueError` if the bytes contradict themselves, or if a score or
    a box is not finite, which no JSON file could hold.
    """

    __slots__ = ("_packed", "_size")

    def __init__(self, packed: bytes, size: tuple[int, int]) -> None:
        self._packed, self._size = packed, size
        if not packed:
            return
        rows = np.frombuffer(packed, MASK, read_count(packed), COUNT.itemsize)
        counts = packed[self._end_of_rows(len(rows)) :]
        if not counts.isascii():
            raise ValueError("its counts are not ASCII")
        if rows["counts"].min() < 0 or int(rows["counts"].sum(dtype=np.int64)) != len(counts):
            raise ValueError("it has other counts than it says")
        if not (np.isfinite(rows["scores"]).all() and np.isfinite(rows["box"]).all()):
            raise ValueError("it has a score or a box that is not a finite number")

    def __len__(self) -> int:
        return read_count(self._packed) if self._packed else 0

    def __iter__(self) -> Iterator[MaskRecord]:
        return (_record(self._size, *row) for row in self._rows())

    @overload
    def __getitem__(self, index: int) -> MaskRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[MaskRecord]: ...
    def __getitem__(self, index: int | slice) -> MaskRecord | Sequence[MaskRecord]:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # as a list

    def __repr__(self) -> str:
        return f"PackedMasks({list(self)})"

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return `MaskRecord.to_dict` of each mask, without making the records."""
        size = list(self._size)
        return [_fields(size, *row) for row in self._rows()]

    def _rows(self) -> Iterator[Row]:
        if not self._packed:
            return iter(())
        rows = np.frombuffer(self._packed, MASK, len(self), COUNT.itemsize)
        text = self._packed[self._end_of_rows(len(rows)) :].decode("ascii")
        ends = list(accumulate(rows["counts"].tolist()))
        counts = (text[start:end] for start, end in zip([0, *ends], ends, strict=False))
        return zip(counts, *(rows[name].tolist() for name in ("box", "scores", "area", "origin")), strict=True)

    @staticmethod
    def _end_of_rows(count: int) -> int:
        return COUNT.itemsize + MASK.itemsize * count


def _origin(mask: MaskRecord) -> tuple[float, ...]:
    prompt = -1 if mask.prompt_index is None else mask.prompt_index
    return (prompt, *(mask.point_coords or (-1, -1)), *(mask.crop_box or (-1, -1, -1, -1)))


def _record(
    size: tuple[int, int], counts: str, box: list[float], scores: list[float], area: int, origin: list[float]
) -> MaskRecord:
    prompt, x, y, *crop = origin
    return MaskRecord(
        counts=counts,
        size=size,
        area=area,
        bbox=(box[0], box[1], box[2], box[3]),
        predicted_iou=scores[0],
        stability_score=scores[1],
        prompt_index=None if prompt < 0 else int(prompt),
        point_coords=None if x < 0 else (x, y),
        crop_box=None if crop[2] < 0 else (int(crop[0]), int(crop[1]), int(crop[2]), int(crop[3])),
    )


def _fields(
    size: list[int], counts: str, box: list[float], scores: list[float], area: int, origin: list[float]
) -> dict[str, Any]:
    prompt, x, y, *crop = origin
    fields: dict[str, Any] = {
        "segmentation": {"size": size, "counts": counts},
        "area": area,
        "bbox": box,
        "predicted_iou": scores[0],
        "stability_score": scores[1],
    }
    if prompt >= 0:
        fields["prompt_index"] = int(prompt)
    if x >= 0:
        fields["point_coords"] = [[x, y]]
    if crop[2] >= 0:
        fields["crop_box"] = [int(value) for value in crop]
    return fields
