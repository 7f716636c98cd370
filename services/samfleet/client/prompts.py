"""Prompts that are given with images: sent with them, read by the server beside them, or added as a version."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from samfleet.client.create_dataset import PromptedSource
from samfleet.client.label_folders import PromptsNotSupported, require_form
from samfleet.client.local_source import Source
from samfleet.client.server_sources import SCHEME, BucketSource, ServerSource


@dataclass(frozen=True, slots=True)
class GivenPrompts:
    """A prompts file, or labels of another tool in `format`: a file or folder here, or s3://bucket/name."""

    place: str
    format: str | None = None

    @classmethod
    def of(cls, place: str | os.PathLike[str] | None, form: str | None = None) -> Self | None:
        """Return the prompts, or None. Raises `PromptsNotSupported` if they do not exist."""
        if place is None:
            if form is not None:
                raise PromptsNotSupported("there is a format of prompts, but there are no prompts; give both")
            return None
        given = cls(os.fspath(place), form)
        if not given.in_bucket:
            require_form(given.path, form)
        return given

    @property
    def in_bucket(self) -> bool:
        return self.place.startswith(SCHEME)

    @property
    def path(self) -> Path:
        """Return the file or folder on this machine. Raises `PromptsNotSupported`."""
        path = Path(self.place)
        if self.in_bucket or not path.exists():
            raise PromptsNotSupported(
                f"prompts: {self.place} is not on this machine; name a file, for yolo and voc a folder, or with images "
                "of a bucket s3://bucket/name"
            )
        return path

    def beside(self, source: Source | ServerSource) -> Source | ServerSource | PromptedSource:
        """Return the images with these prompts. Raises `PromptsNotSupported`.

        The server reads prompts in a bucket only for images that it finds in buckets, too.
        """
        if isinstance(source, Source):
            return replace(source, prompts=self.path, prompts_format=self.format)
        if not self.in_bucket:
            return PromptedSource(source, self.path, self.format)
        fields = {"prompts_path": self.place, **({} if self.format is None else {"prompts_format": self.format})}
        if isinstance(source, BucketSource):
            return replace(source, fields={**source.fields, **fields})
        if not source.place.startswith(SCHEME):
            raise PromptsNotSupported(
                f"the server reads {self.place} only with a manifest or an archive in a bucket; download the prompts, "
                f"or put {source.place} into the bucket"
            )
        return replace(source, described={**source.described, **fields})
