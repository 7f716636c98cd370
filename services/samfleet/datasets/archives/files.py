"""Archives where they lie: below the allowed roots, in an allowed bucket, or uploaded."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, cast

from samfleet.datasets.allowed_paths import resolve_allowed
from samfleet.datasets.archives.errors import ArchiveNotFound, ArchiveTooLarge
from samfleet.datasets.content import STORE_SCHEME
from samfleet.datasets.manifests.files import Sources
from samfleet.datasets.s3_urls import SCHEME as S3_SCHEME
from samfleet.datasets.s3_urls import parse_s3_object
from samfleet.image_errors import ImageFailed
from samfleet.regular_files import limited, open_resolved


@contextmanager
def open_archive(
    place: str, sources: Sources, profile: str | None, max_bytes: int, *, seekable: bool
) -> Iterator[IO[bytes]]:
    """Open an archive by path, s3:// address or `store:<key>`, of at most `max_bytes`.

    One that must be `seekable` is copied to a temporary file unless it is on this machine.
    """
    too_large = partial(ArchiveTooLarge, f"{place} has more than {max_bytes} bytes, the most this server accepts")
    if not place.startswith((STORE_SCHEME, S3_SCHEME)):
        with _on_disk(place, sources) as file:
            if file.seek(0, 2) > max_bytes:
                raise too_large()
            file.seek(0)
            yield file
        return
    with _stream(place, sources, profile) as stream:
        bounded = limited(stream, max_bytes, too_large)
        if not seekable:
            yield bounded
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(bounded, copy)
            yield cast("IO[bytes]", copy)


@contextmanager
def _on_disk(place: str, sources: Sources) -> Iterator[IO[bytes]]:
    real = resolve_allowed(place, sources.roots)
    try:
        file = open_resolved(real)
    except OSError as error:
        raise ArchiveNotFound(f"{place} cannot be read on the server ({error.strerror}); check the path") from error
    with file:
        yield file


def _stream(place: str, sources: Sources, profile: str | None) -> IO[bytes]:
    if place.startswith(STORE_SCHEME):
        return sources.store.open(place.removeprefix(STORE_SCHEME))
    found = parse_s3_object(place)
    try:
        return sources.s3.open(sources.s3.choose(found, profile), found.bucket, found.prefix)
    except ImageFailed as error:
        raise ArchiveNotFound(f"{place} cannot be read ({error.message}); check the address") from error
