"""Manifests, and files about images, where they lie: below the allowed roots, in an allowed bucket, or uploaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from samfleet.datasets.content import STORE_SCHEME
from samfleet.datasets.manifests.errors import ManifestNotFound, ManifestTooLarge
from samfleet.datasets.s3_sources import S3Sources
from samfleet.datasets.s3_urls import SCHEME as S3_SCHEME
from samfleet.datasets.s3_urls import parse_s3_object
from samfleet.datasets.server_files import open_on_server
from samfleet.datasets.url_sources import UrlRules
from samfleet.errors import SamfleetError
from samfleet.image_errors import ImageFailed
from samfleet.regular_files import limited
from samfleet.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Sources:
    """Places that manifests and their images may lie at. Uploaded manifests are in `store`."""

    roots: Sequence[Path]
    s3: S3Sources
    urls: UrlRules
    store: ObjectStore


def open_manifest(
    place: str, sources: Sources, profile: str | None, max_bytes: int
) -> AbstractContextManager[IO[bytes]]:
    """Open a manifest as `open_place` does."""
    return open_place(place, sources, profile, max_bytes, ManifestNotFound, ManifestTooLarge)


@contextmanager
def open_place(
    place: str,
    sources: Sources,
    profile: str | None,
    max_bytes: int,
    not_found: type[SamfleetError],
    too_large: type[SamfleetError],
) -> Iterator[IO[bytes]]:
    """Open a file by path, s3:// address or `store:<key>` as a stream of at most `max_bytes`."""
    if place.startswith(STORE_SCHEME):
        with sources.store.open(place.removeprefix(STORE_SCHEME)) as file:
            yield file
        return
    if not place.startswith(S3_SCHEME):
        with open_on_server(place, sources.roots, max_bytes, not_found, too_large) as file:
            yield file
        return
    found = parse_s3_object(place)
    chosen = sources.s3.choose(found, profile)
    try:
        stream = sources.s3.open(chosen, found.bucket, found.prefix)
    except ImageFailed as error:
        raise not_found(f"{place} cannot be read ({error.message}); check the address") from error
    with stream as file:
        yield limited(file, max_bytes, partial(too_large, f"{place} has more than {max_bytes} bytes"))
