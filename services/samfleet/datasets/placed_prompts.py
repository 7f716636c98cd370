"""Prompts that lie beside the data: a prompts file, or labels of another tool, also in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from samfleet.datasets.allowed_paths import resolve_allowed
from samfleet.datasets.prompt_formats.server_folder import ServerFolder
from samfleet.datasets.prompt_formats.uploaded import IN_ZIP, LabelFormat, Labels, count_uploaded
from samfleet.datasets.prompts import Opener, count_prompts
from samfleet.datasets.s3_urls import SCHEME as S3_SCHEME
from samfleet.datasets.service import InputLimits
from samfleet.datasets.stored_prompts import convert_labels


@dataclass(frozen=True, slots=True)
class PlacedPrompts:
    """A prompts file, or labels of another tool in `format`, at a path on the server or at an s3:// address.

    `open_file` opens a file by its place; a folder must be below the `roots`.
    """

    path: str
    format: LabelFormat | None
    roots: Sequence[Path]
    limits: InputLimits
    open_file: Callable[[str], AbstractContextManager[IO[bytes]]]

    def check(self) -> None:
        """Validate the prompts. Raises the errors of `open_file` and of an upload of them."""
        limits = self.limits.annotations
        if self.format is None:
            with self.open_file(self.path) as file:
                count_prompts(file, limits)
        else:
            with self._labels() as labels:
                count_uploaded(labels, self.format, limits, self.limits.file_bytes)

    def opener(self, names: Sequence[str], *, limited: bool) -> Opener:
        """Return how to open the prompts file, which for labels is made for the images of these `names`."""
        if self.format is None:
            return partial(self.open_file, self.path)
        return partial(convert_labels, self._labels, self.format, names, self.limits, limited=limited)

    @contextmanager
    def _labels(self) -> Iterator[Labels]:
        """Yield the labels as a file or as a folder of the server."""
        place = self.path
        if not place.startswith(S3_SCHEME):
            real = resolve_allowed(place, self.roots)
            if real.is_dir() and self.format in IN_ZIP:
                yield ServerFolder(real, self.roots)
                return
            if real.is_dir() and self.format == "fiftyone":
                place = f"{place}/samples.json"
        with self.open_file(place) as file:
            yield file
