"""The task that builds an export.

A builder writes the file under a key that no other builder uses, and commits the row that names it afterwards. So a
killed builder leaves an unnamed object, which the clean-up deletes, and never half a file that someone could download.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, select

from samfleet.datasets.content import NOTHING_REMOTE, Remote, read_image
from samfleet.db.models import DatasetImage
from samfleet.db.session import read_only, transaction
from samfleet.exports.claim import (
    ClaimedExport,
    claim_export,
    complete_export,
    show_life,
)
from samfleet.exports.errors import ExportFailed
from samfleet.exports.formats import FORMATS
from samfleet.exports.formats.base import ExportSource
from samfleet.exports.reviewed import review_of, with_review
from samfleet.exports.states import EXPORTS
from samfleet.image_errors import ImageMissing
from samfleet.jobs.built_rows import ClaimLost
from samfleet.jobs.export import in_chunks
from samfleet.jobs.parts import read_parts
from samfleet.logging import get_logger
from samfleet.masks.large import DEFAULT_LIMITS, PixelLimits
from samfleet.storage.store import ObjectStore

log = get_logger(__name__)

SIGN_OF_LIFE_SECONDS = 5.0  # well below `samfleet.jobs.built_rows.SILENT_AFTER`


def build_export(
    engine: Engine,
    store: ObjectStore,
    export_id: uuid.UUID,
    max_image_bytes: int,
    remote: Remote = NOTHING_REMOTE,
    limits: PixelLimits = DEFAULT_LIMITS,
) -> None:
    """Build the file of a queued export and complete it; do nothing for any other. `remote` reads images of buckets.

    A store that does not respond leaves the export queued, and its error is raised. A full store fails the export, and
    so does every other error; an unexpected one is raised too.
    """
    with transaction(engine) as session:
        claimed = claim_export(session, export_id)
    if claimed is None:
        return
    images = _Images(engine, store, max_image_bytes, remote, limits)
    EXPORTS.build(engine, claimed, lambda: _build(engine, store, claimed, images))


def _build(engine: Engine, store: ObjectStore, claimed: ClaimedExport, images: _Images) -> None:
    form = FORMATS.get(claimed.format)
    if form is None:
        raise ExportFailed(f"this version of samfleet has no export format {claimed.format!r}")
    life = _Life(engine, claimed)
    source = ExportSource(
        lambda: life.rows(read_parts(store, claimed.parts)),
        claimed.categories,
        claimed.provenance,
        images.read,
        images.limits,
    )
    key, digest = claimed.key(form.extension), hashlib.sha256()
    with review_of(engine, claimed, life.show_sometimes) as review:
        source = with_review(source, review, claimed.options)
        chunks = life.chunks(in_chunks(form.write(source, claimed.options)))
        size = store.put_stream(key, _hashed(chunks, digest))
    with transaction(engine) as session:
        completed = complete_export(session, claimed, key, size, digest.hexdigest(), review.version if review else None)
    if not completed:
        store.delete(key)
        raise ClaimLost
    log.info("export.completed", export_id=str(claimed.id), format=claimed.format, bytes=size)


def _hashed(chunks: Iterable[bytes], digest: Any) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


@dataclass(slots=True)
class _Life:
    """Signs of life of a builder: its progress, which also keeps the sweeper from sending the task again.

    Raises `ClaimLost` when the export is no longer this builder's.
    """

    engine: Engine
    claimed: ClaimedExport
    _read: int = 0
    _shown_at: float = field(default_factory=time.monotonic)

    def rows(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        self._read = 0
        for row in rows:
            yield row
            self._read += 1
            self.show_sometimes()

    def chunks(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            self.show_sometimes()

    def show_sometimes(self) -> None:
        if time.monotonic() - self._shown_at <= SIGN_OF_LIFE_SECONDS:
            return
        progress = min(1.0, self._read / max(1, self.claimed.total))
        with transaction(self.engine) as session:
            held = show_life(session, self.claimed, progress)
        if not held:
            raise ClaimLost
        self._shown_at = time.monotonic()


@dataclass(frozen=True, slots=True)
class _Images:
    """Reader of a dataset's image files by `dataset_image_id`."""

    engine: Engine
    store: ObjectStore
    max_bytes: int
    remote: Remote
    limits: PixelLimits

    def read(self, dataset_image_id: int) -> bytes:
        with read_only(self.engine) as session:
            uri = session.scalars(select(DatasetImage.uri).where(DatasetImage.id == dataset_image_id)).one_or_none()
        if uri is None:
            raise ImageMissing(f"the dataset's image {dataset_image_id} was deleted")
        return read_image(self.store, uri, self.max_bytes, self.remote)
