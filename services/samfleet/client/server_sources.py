"""Sources whose images the server reads or unpacks: buckets, manifests and archives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from samfleet.client.routes import datasets
from samfleet.client.schemas import Dataset
from samfleet.client.steps import Call, Steps, ask
from samfleet.datasets.archives.members import SUFFIXES as ARCHIVES
from samfleet.datasets.archives.members import Format as ArchiveFormat
from samfleet.datasets.archives.members import format_of as archive_format
from samfleet.datasets.manifests.lines import SUFFIXES as MANIFESTS
from samfleet.datasets.manifests.lines import Format, format_of
from samfleet.errors import InvalidInput

SCHEME = "s3://"
_PATTERN = frozenset("*?[")  # of a bucket's address, which then names no single object


class SourceNotSupported(InvalidInput):
    """The source is neither a folder nor an image file, nor a manifest, an archive or a bucket."""

    code = "source_not_supported"


@dataclass(frozen=True, slots=True)
class BucketSource:
    """Images of an S3 bucket, which only the server reads. `fields` are further fields of the request's body."""

    url: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def limit(self) -> int | None:
        return self.fields.get("limit")

    def created(self) -> Steps[Dataset]:
        """Create a dataset in the state `listing`."""
        return (yield from ask(datasets.create_bucket_dataset(self.url, **self.fields)))


@dataclass(frozen=True, slots=True)
class ManifestSource:
    """Images that a manifest lists, which only the server reads.

    `place` is s3://bucket/folder/name, or a local file, which is uploaded; `described` are the name, labels and notes,
    and the choice of frames.
    """

    place: str
    format: Format | None = None
    profile: str | None = None
    limit: int | None = None
    described: Mapping[str, Any] = field(default_factory=dict)

    def created(self) -> Steps[Dataset]:
        """Create a dataset in the state `listing`. Paths in a local file are relative to its folder."""
        if self.place.startswith(SCHEME):
            options = {"format": self.format, "profile": self.profile, "limit": self.limit, **self.described}
            return (yield from ask(datasets.create_manifest_dataset(self.place, **options)))
        path = _local(self.place, "a manifest")
        params: dict[str, Any] = {
            "format": format_of(path.name, self.format),
            "profile": self.profile,
            "limit": self.limit,
        }
        upload = partial(datasets.upload_manifest, path=path, base=str(path.parent), **params)
        return (yield from _filled(self.described, path.stem, upload))


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """Images in an archive, which the server unpacks.

    `place` is s3://bucket/folder/name, or a local file, which is uploaded; `described` are the name, labels and notes,
    and the choice of frames.
    """

    place: str
    format: ArchiveFormat | None = None
    profile: str | None = None
    limit: int | None = None
    hidden: bool = False
    described: Mapping[str, Any] = field(default_factory=dict)

    def created(self) -> Steps[Dataset]:
        """Create a dataset in the state `listing`."""
        options: dict[str, Any] = {"limit": self.limit, "include_hidden": self.hidden or None}
        if self.place.startswith(SCHEME):
            options |= {"format": self.format, "profile": self.profile, **self.described}
            return (yield from ask(datasets.create_archive_dataset(self.place, **options)))
        path = _local(self.place, "an archive")
        form = archive_format(path.name, self.format)
        upload = partial(datasets.upload_archive, path=path, format=form, **options)
        return (yield from _filled(self.described, path.stem.removesuffix(".tar"), upload))


ServerSource = BucketSource | ManifestSource | ArchiveSource


def server_source(
    place: str, *, limit: int | None = None, hidden: bool = False, described: Mapping[str, Any] | None = None
) -> ServerSource | None:
    """Return the manifest or archive that a file or an object is by its suffix, or else the bucket of an address.

    None for anything else, such as a folder. `described` are the name, labels and notes of the dataset, and the choice
    of frames.
    """
    described, in_bucket = described or {}, place.startswith(SCHEME)
    if Path(place).is_file() or (in_bucket and not _PATTERN & set(place)):
        if place.lower().endswith(tuple(MANIFESTS)):
            return ManifestSource(place, limit=limit, described=described)
        if place.lower().endswith(tuple(ARCHIVES)):
            return ArchiveSource(place, limit=limit, hidden=hidden, described=described)
    if in_bucket:
        return BucketSource(place, {"limit": limit, "include_hidden": hidden or None, **described})
    return None


def _local(place: str, what: str) -> Path:
    path = Path(place).resolve()
    if not path.is_file():
        raise SourceNotSupported(f"{place} is not a file; name {what}, or s3://bucket/folder/name")
    return path


def _filled(described: Mapping[str, Any], name: str, upload: Callable[[str], Call[None]]) -> Steps[Dataset]:
    """Create a dataset, by default of this name, and send the file that fills it."""
    named = {**described, "name": described.get("name") or name}
    dataset = yield from ask(datasets.create_upload_dataset(**named))
    yield from ask(upload(dataset.id))
    return (yield from ask(datasets.dataset(dataset.id)))
