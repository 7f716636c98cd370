"""Results as the client hands them out: one object per image and variant."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

from samfleet.client.mask_arrays import COLUMNS, MaskArrays, package
from samfleet.client.schemas import Run

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ImageFailure:
    """Reason why an image has no masks."""

    code: str
    message: str
    stage: str | None = None


@dataclass(frozen=True)
class SegmentResult(MaskArrays):
    """Result of one image with one variant of a job. `error` is None if it succeeded.

    `external_id` and `metadata` are those of a manifest.
    """

    image_id: int
    run_id: str
    error: ImageFailure | None
    fetch_overlay: Callable[[str, int], bytes] = field(repr=False, compare=False)
    external_id: str | None = None
    metadata: Mapping[str, Any] | None = None

    @cached_property
    def overlay(self) -> bytes:
        """PNG of the image with its masks drawn on it, fetched from the server when it is first used."""
        return self.fetch_overlay(self.run_id, self.image_id)

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with one row per mask."""
        return table([self])

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row for each mask, without its pixels."""
        for row in super().rows():
            yield {"image_id": self.image_id, **row}

    def _repr_png_(self) -> bytes | None:
        return None if self.error else self.overlay

    def _repr_html_(self) -> str | None:
        if self.error is None:
            return None  # the notebook shows the picture
        return f"<p>{escape(self.file_name)}: {escape(self.error.message)} [{escape(self.error.code)}]</p>"


def table(results: Sequence[SegmentResult]) -> pd.DataFrame:
    """Return a table with one row per mask of these results."""
    return frame([row for result in results for row in result.rows()])


def frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    return package("pandas").DataFrame(rows, columns=["image_id", *COLUMNS])


class ResultLines:
    """Reads the JSON lines of a run, also over several attempts: `begin` a new one, and lines read before are skipped.

    Only the line that is being read is in memory.
    """

    def __init__(self, run: Run, fetch_overlay: Callable[[str, int], bytes]) -> None:
        self._run = run
        self._fetch_overlay = fetch_overlay
        self._read = 0
        self.begin()

    def begin(self) -> None:
        self._left = bytearray()
        self._skip = self._read

    def feed(self, piece: bytes) -> Iterator[SegmentResult]:
        """Yield the results of the lines that end in this piece."""
        first, *others = piece.split(b"\n")
        self._left += first
        for other in others:
            line, self._left = bytes(self._left), bytearray(other)
            if self._skip:
                self._skip -= 1
                continue
            self._read += 1
            yield self._result(json.loads(line))

    def _result(self, row: Mapping[str, Any]) -> SegmentResult:
        return SegmentResult(
            image_id=row["image_id"],
            file_name=row["file_name"],
            variant=self._run.variant,
            run_id=self._run.id,
            width=row["width"],
            height=row["height"],
            error=ImageFailure(**row["error"]) if row["error"] else None,
            records=row["masks"],
            fetch_overlay=self._fetch_overlay,
            external_id=row.get("external_id"),
            metadata=row.get("metadata"),
        )
