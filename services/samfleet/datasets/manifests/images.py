"""Images that the lines of a manifest name: their addresses, names and sizes.

A path on this machine is checked against the allowed roots, an object against the allowed buckets, a URL against the
allowed hosts. An image that does not exist is no error here: it fails alone when its shard runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote_from_bytes, unquote, urlsplit

from samfleet.datasets.content import FILE_SCHEME
from samfleet.datasets.copying import PromptsRow
from samfleet.datasets.folder_walk import settled_times
from samfleet.datasets.frames.listing import FrameLister
from samfleet.datasets.manifests.entries import ManifestLine
from samfleet.datasets.manifests.errors import ManifestInvalid, in_line
from samfleet.datasets.manifests.files import Sources
from samfleet.datasets.manifests.folders import AllowedFiles
from samfleet.datasets.names import FileNameInvalid, check_file_name, has_frames
from samfleet.datasets.prompt_lines import ImagePrompts
from samfleet.datasets.s3_sources import S3Image
from samfleet.datasets.s3_urls import SCHEME as S3_SCHEME
from samfleet.datasets.s3_urls import parse_s3_object
from samfleet.datasets.url_sources import SCHEMES as URL_SCHEMES
from samfleet.datasets.url_sources import url_uri
from samfleet.errors import SamfleetError


@dataclass(frozen=True, slots=True)
class ManifestImage:
    """A row of the dataset; `line` is its place in the manifest. `times` are those of a file (`settled_times`)."""

    line: int
    file_name: str
    external_id: str | None
    uri: str
    size_bytes: int  # 0 if it is not known
    metadata: Mapping[str, Any] | None = None
    times: tuple[int, int] | None = None
    prompts: ImagePrompts | None = None
    prompts_row: PromptsRow | None = None  # of `prompts`, once its categories have ids


def images_of(frames: FrameLister, image: ManifestImage) -> Iterator[ManifestImage]:
    """Yield the images of a file. Their ids are the file's with the number of the frame behind it.

    Raises `ManifestInvalid` if frames of a file at a URL are to be counted, and like `FrameLister.frames_of`.
    """
    remote = image.uri.startswith(URL_SCHEMES)
    if remote and has_frames(image.file_name) and frames.choice.index is None:
        raise ManifestInvalid(
            f"line {image.line}: frames of a file at a URL cannot be counted; choose one by frame, or copy the file"
        )
    for frame in frames.frames_of(image.file_name, image.uri):
        whole = frame.index is None
        stated = image.external_id if whole or image.external_id is None else f"{image.external_id}/{frame.index}"
        metadata = {**(image.metadata or {}), **frame.metadata} or None
        yield replace(image, file_name=frame.file_name, uri=frame.uri, external_id=stated, metadata=metadata)


@dataclass(slots=True)
class ManifestImages:
    """Finder of images. Relative ones are below `base`, the manifest's folder: a path or s3://bucket/folder.

    `profile` is the one of SAMFLEET_S3_SOURCES for all objects; by default the first that allows each.
    """

    sources: Sources
    base: str | None
    profile: str | None = None
    _files: AllowedFiles = field(init=False)

    def __post_init__(self) -> None:
        self._files = AllowedFiles(self.sources.roots)

    def asks_store(self, line: ManifestLine) -> bool:
        """Return whether finding the image takes a request to a store."""
        relative = "://" not in line.image and not line.image.startswith("/")
        place = (self.base or "") if relative else line.image
        return line.etag is None and place.startswith(S3_SCHEME)

    def find(self, line: ManifestLine) -> ManifestImage:
        """Return the image of a line. Raises an error that names the line."""
        try:
            return self._find(line)
        except SamfleetError as error:
            raise in_line(line.number, error) from error

    def _find(self, line: ManifestLine) -> ManifestImage:
        place, times = self._absolute(line.image), None
        if place.startswith(S3_SCHEME):
            uri, size = self._in_bucket(place, line.etag)
        elif place.startswith(URL_SCHEMES):
            uri, size = url_uri(str(self.sources.urls.check(place)), line.etag), 0
        elif line.etag is not None:
            raise ManifestInvalid(f"{line.image[:200]!r} has an etag, but a file on the server has none; remove it")
        else:
            uri, size, times = self._on_disk(place)
        return ManifestImage(line.number, _name(line, place), line.id, uri, size, line.metadata, times, line.prompts)

    def _absolute(self, image: str) -> str:
        if image.startswith("/") or "://" in image:
            return image
        if self.base is None:
            raise ManifestInvalid(
                f"{image[:200]!r} is a relative path, but the manifest was uploaded without a base; state one, or "
                "begin it with '/', s3:// or https://"
            )
        return f"{self.base.rstrip('/')}/{image}"

    def _in_bucket(self, url: str, etag: str | None) -> tuple[str, int]:
        place = parse_s3_object(url)
        profile = self.sources.s3.choose(place, self.profile)
        key = place.prefix
        if etag is not None:
            return S3Image(profile, place.bucket, key, _quoted(etag)).uri, 0
        found = self.sources.s3.find(profile, place.bucket, key)
        if found is None:
            return S3Image(profile, place.bucket, key, "").uri, 0
        return S3Image(profile, place.bucket, key, found.etag).uri, found.size

    def _on_disk(self, path: str) -> tuple[str, int, tuple[int, int] | None]:
        if "://" in path:
            raise ManifestInvalid(f"{path[:200]!r} is neither a path nor an address of s3:// or https://")
        found = self._files.locate(path)
        uri = f"{FILE_SCHEME}{quote_from_bytes(os.fsencode(found.path))}"
        if found.status is None:
            return uri, 0, None  # reading the file will raise the error
        return uri, found.status.st_size, settled_times(found.status)


def _name(line: ManifestLine, place: str) -> str:
    """Return the stated name; else the relative path as written, or the address without its scheme."""
    name = line.file_name
    if name is None:
        relative = place != line.image
        name = line.image.removeprefix("./") if relative else _address_name(place)
    try:
        return check_file_name(name)
    except FileNameInvalid as error:
        remedy = "" if line.file_name else "; or state another name as file_name"
        raise FileNameInvalid(f"{error.message}{remedy}") from error


def _address_name(place: str) -> str:
    """Return a path or address without its scheme; that of a URL is decoded and has no query."""
    if place.startswith(URL_SCHEMES):
        parts = urlsplit(place)
        return f"{parts.netloc}{unquote(parts.path)}"
    return place.rpartition("://")[2].removeprefix("/")


def _quoted(etag: str) -> str:
    """Return the ETag with the quotes that stores send."""
    return etag if etag.endswith('"') else f'"{etag}"'
