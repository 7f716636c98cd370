"""The task that lists the images of a dataset in the state `listing`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from samfleet.datasets.archives.listing import ArchiveListing, ArchiveRequest
from samfleet.datasets.frames.choice import FrameChoice
from samfleet.datasets.frames.files import FrameFiles
from samfleet.datasets.frames.listing import FrameLister
from samfleet.datasets.listing import DirectoryListing, ListingRequest, list_directory, seal, write_images
from samfleet.datasets.manifests.files import Sources
from samfleet.datasets.manifests.listing import ManifestListing, ManifestRequest
from samfleet.datasets.s3_listing import S3Listing, S3Request
from samfleet.datasets.s3_sources import S3Sources
from samfleet.datasets.service import InputLimits
from samfleet.datasets.url_sources import NO_URLS, UrlSources
from samfleet.db.models import Dataset, DatasetSource, DatasetState
from samfleet.db.session import allow_idle, transaction
from samfleet.errors import SamfleetError
from samfleet.jobs.queue import TaskName, TaskQueue, wake_after_commit
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import ObjectStore

SIGN_OF_LIFE_SECONDS = 2.0
NO_BUCKETS = S3Sources({})
NO_UPLOADS = MemoryStore()
_LISTED_STILL = Dataset.state == DatasetState.LISTING, Dataset.deleted_at.is_(None)
_LOCKS = 7_236_601  # first key of the advisory locks of datasets that are being listed


class _Gone(Exception):
    """The dataset was deleted, or is no longer in the state `listing`."""


def list_dataset(
    engine: Engine,
    dataset_id: uuid.UUID,
    roots: Sequence[Path],
    limits: InputLimits,
    s3: S3Sources = NO_BUCKETS,
    urls: UrlSources = NO_URLS,
    store: ObjectStore = NO_UPLOADS,
) -> None:
    """List the images of a dataset and seal it, or mark it as failed with the reason.

    A dataset in any other state stays unchanged, and so does one that another worker is listing. Raises retryable
    errors, after which the sweeper sends the task again. Uploads, and images of archives, are in `store`.
    """
    try:
        with transaction(engine) as session:
            allow_idle(session)  # while the source is listed, for up to half an hour
            if session.scalar(select(func.pg_try_advisory_xact_lock(_LOCKS, func.hashtext(str(dataset_id))))):
                sources = Sources(roots, s3, urls.rules, store)
                _list(session, engine, dataset_id, sources, limits)
    except _Gone:
        return
    except SamfleetError as error:
        if error.retryable:
            raise
        fail_listing(engine, dataset_id, error.code, error.message)


def fail_listing(engine: Engine, dataset_id: uuid.UUID, code: str, message: str) -> None:
    with transaction(engine) as session:
        session.execute(
            update(Dataset)
            .where(Dataset.id == dataset_id, Dataset.state == DatasetState.LISTING)
            .values(state=DatasetState.FAILED, error_code=code, error_message=message, image_count=0)
        )


def resend_listings(session: Session, queue: TaskQueue, after: timedelta, most: int) -> int:
    """Send the task again for datasets that gave no sign of life for the time of `after`; return their number."""
    stale = select(Dataset.id).where(*_LISTED_STILL, Dataset.sent_at < func.now() - after).limit(most)
    free = stale.with_for_update(skip_locked=True, key_share=True).cte("stale")
    chosen = update(Dataset).where(Dataset.id.in_(select(free.c.id))).values(sent_at=func.now()).returning(Dataset.id)
    sent = session.scalars(chosen).all()
    for dataset_id in sent:
        wake_after_commit(session, queue, TaskName.LIST, str(dataset_id))
    return len(sent)


def _list(
    session: Session,
    engine: Engine,
    dataset_id: uuid.UUID,
    sources: Sources,
    limits: InputLimits,
) -> None:
    dataset = session.get(Dataset, dataset_id)
    if dataset is None or dataset.listing is None:
        return
    life = _Life(engine, dataset_id)
    life.show()  # raises if the dataset is not to be listed
    frames = _frames(dataset.listing, sources, limits)
    streamed = _streamed(dataset.source, dataset.listing, sources, limits, life, frames)
    if streamed is not None:
        streamed.write(session, dataset_id)
        streamed.seal(session, _locked(session, dataset_id))
        return
    request = ListingRequest.of(dataset.listing)
    listing: DirectoryListing = list_directory(request, sources.roots, limits, life.listed, frames)
    write_images(session, dataset_id, listing, life.written)
    seal(session, _locked(session, dataset_id), listing)


def _frames(listing: dict[str, Any], sources: Sources, limits: InputLimits) -> FrameLister | None:
    """Return the finder of the frames that the request chooses; None if it takes whole files."""
    choice = FrameChoice.of(listing.get("frames"))
    if choice is None:
        return None
    return FrameLister(choice, FrameFiles(sources.store, sources.s3.readers, sources.s3.streams, limits.frames))


def _streamed(
    source: DatasetSource,
    listing: dict[str, Any],
    sources: Sources,
    limits: InputLimits,
    life: _Life,
    frames: FrameLister | None,
) -> S3Listing | ManifestListing | ArchiveListing | None:
    """Return the listing of a source that is not a folder."""
    match source:
        case DatasetSource.S3:
            return S3Listing(S3Request.of(listing), sources, limits, life.streamed, frames)
        case DatasetSource.MANIFEST:
            return ManifestListing(ManifestRequest.of(listing), sources, limits, life.streamed, frames)
        case DatasetSource.ARCHIVE:
            return ArchiveListing(ArchiveRequest.of(listing), sources, limits, life.streamed, frames)
        case _:
            return None


def _locked(session: Session, dataset_id: uuid.UUID) -> Dataset:
    query = select(Dataset).where(Dataset.id == dataset_id, *_LISTED_STILL).with_for_update()
    locked = session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
    if locked is None:
        raise _Gone
    return locked


@dataclass(slots=True)
class _Life:
    """Signs of life of a listing: its progress, which also keeps the sweeper from sending the task again.

    Raises `_Gone` when the dataset is not to be listed any more.
    """

    engine: Engine
    dataset_id: uuid.UUID
    _listed: int = 0
    _written: int = 0
    _shown_at: float = field(default_factory=time.monotonic)

    def listed(self, entries: int) -> None:
        self._listed = entries
        self._show_sometimes()

    def written(self, images: int) -> None:
        self._written = images
        self._show_sometimes()

    def streamed(self, seen: int, images: int) -> None:
        self._listed, self._written = seen, images
        self._show_sometimes()

    def show(self) -> None:
        """Store the progress in a separate transaction."""
        self._shown_at = time.monotonic()
        with transaction(self.engine) as session:
            shown = session.execute(
                update(Dataset)
                .where(Dataset.id == self.dataset_id, *_LISTED_STILL)
                .values(listed=self._listed, image_count=self._written, sent_at=func.now())
                .returning(Dataset.id)
            )
            if shown.one_or_none() is None:
                raise _Gone

    def _show_sometimes(self) -> None:
        if time.monotonic() - self._shown_at > SIGN_OF_LIFE_SECONDS:
            self.show()
