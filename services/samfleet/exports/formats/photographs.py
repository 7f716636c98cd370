"""Images of a run, read again for exports that show them, and a report of those that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from samfleet.errors import SamfleetError
from samfleet.exports.errors import ExportFailed
from samfleet.exports.formats.archive import Member, report_of
from samfleet.exports.formats.base import ExportSource
from samfleet.image_errors import ImageFailed
from samfleet.masks.large import require_size

T = TypeVar("T")


@dataclass(slots=True)
class Photographs:
    """Reader of the source's images. Memory grows by an entry for each image that cannot be read."""

    source: ExportSource
    _shown: int = 0
    _left_out: list[dict[str, Any]] = field(default_factory=list)

    def show(self, row: Mapping[str, Any], draw: Callable[[bytes], T]) -> T | None:
        """Return what `draw` makes of the image's file; None, and an entry of the report, if it cannot be shown.

        An image of another size than the masks was changed. A source that the server may not read any more leaves out
        its images, because those of other sources can be shown. One that does not respond raises its error.
        """
        if self.source.read_image is None:
            raise ExportFailed("this export shows images, and this process cannot read them")
        try:
            data = self.source.read_image(row["dataset_image_id"])
        except SamfleetError as error:
            if error.retryable:
                raise
            self._leave_out(row, error)
            return None
        try:
            require_size(data, (row["width"], row["height"]), self.source.limits)
            drawn = draw(data)
        except ImageFailed as error:
            self._leave_out(row, error)
            return None
        self._shown += 1
        return drawn

    def _leave_out(self, row: Mapping[str, Any], error: SamfleetError) -> None:
        self._left_out.append({"file_name": row["file_name"], "code": error.code, "message": error.message})

    def report(self) -> Member:
        """Return the member that names the images that are missing here."""
        return report_of(self._shown, self._left_out)
