"""Creation of datasets from each kind of request."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import Engine

from samfleet.config import Settings
from samfleet.datasets import service
from samfleet.datasets.allowed_paths import resolve_allowed
from samfleet.datasets.archives.listing import ArchiveRequest, create_archive_listing
from samfleet.datasets.archives.members import format_of as archive_format
from samfleet.datasets.left_out import LeftOut
from samfleet.datasets.listing import ListingRequest, create_listing, create_sealed, list_at_once
from samfleet.datasets.manifests.lines import format_of
from samfleet.datasets.manifests.listing import ManifestRequest, create_manifest_listing
from samfleet.datasets.s3_listing import S3Request, create_s3_listing
from samfleet.datasets.s3_sources import S3Sources
from samfleet.datasets.s3_urls import SCHEME as S3_SCHEME
from samfleet.datasets.s3_urls import parse_s3_object, parse_s3_url
from samfleet.db.models import Dataset as DatasetRow
from samfleet.db.session import transaction
from samfleet.jobs.queue import TaskName, TaskQueue, wake_after_commit
from samfleet.labels import merge_changes
from samfleet_api.datasets.sources import (
    CreateDataset,
    ForUpload,
    FromArchive,
    FromBucket,
    FromDirectory,
    FromManifest,
)


def create(
    body: CreateDataset, tenant_id: uuid.UUID, settings: Settings, s3: S3Sources, engine: Engine, queue: TaskQueue
) -> DatasetRow:
    """Return the new dataset: open, sealed, or in the state `listing` with its task sent."""
    match body:
        case ForUpload():
            with transaction(engine) as session:
                return _described(
                    service.create_upload(session, tenant_id, body.name, _left_out(body), body.choice), body
                )
        case FromBucket():
            return _of_bucket(body, tenant_id, settings, s3, engine, queue)
        case FromManifest():
            return _of_manifest(body, tenant_id, settings, s3, engine, queue)
        case FromArchive():
            return _of_archive(body, tenant_id, settings, s3, engine, queue)
        case FromDirectory():
            return _of_directory(body, tenant_id, settings, engine, queue)


def _of_directory(
    body: FromDirectory, tenant_id: uuid.UUID, settings: Settings, engine: Engine, queue: TaskQueue
) -> DatasetRow:
    request = ListingRequest(
        directory=body.directory,
        annotations_path=body.annotations_path,
        detections_path=body.detections_path,
        prompts_path=body.prompts_path,
        prompts_format=body.labels_format,
        limit=body.limit,
        include_hidden=body.include_hidden,
        strict_annotations=body.strict_annotations,
        frames=body.choice,
    )
    listing = list_at_once(request, settings.dataset_roots, service.InputLimits.of(settings))
    with transaction(engine) as session:  # opened after the listing, which may take long
        if listing is not None:
            return _described(create_sealed(session, tenant_id, listing, body.name), body)
        dataset = _described(create_listing(session, tenant_id, request, body.name), body)
        wake_after_commit(session, queue, TaskName.LIST, str(dataset.id))
        return dataset


def _of_bucket(
    body: FromBucket, tenant_id: uuid.UUID, settings: Settings, s3: S3Sources, engine: Engine, queue: TaskQueue
) -> DatasetRow:
    profile = s3.choose(parse_s3_url(body.url), body.profile)
    _check_prompts(body, settings, s3)
    prompts = body.prompts_path, body.labels_format, body.profile
    request = S3Request(body.url, profile, body.limit, body.include_hidden, *prompts, frames=body.choice)
    with transaction(engine) as session:
        dataset = _described(create_s3_listing(session, tenant_id, request, body.name), body)
        wake_after_commit(session, queue, TaskName.LIST, str(dataset.id))
        return dataset


def _of_archive(
    body: FromArchive, tenant_id: uuid.UUID, settings: Settings, s3: S3Sources, engine: Engine, queue: TaskQueue
) -> DatasetRow:
    _check_place(body.archive, body.profile, settings, s3)
    _check_prompts(body, settings, s3)
    form = archive_format(body.archive, body.format)
    request = ArchiveRequest(
        body.archive,
        form,
        body.profile,
        body.limit,
        body.include_hidden,
        prompts_path=body.prompts_path,
        prompts_format=body.labels_format,
        frames=body.choice,
    )
    with transaction(engine) as session:
        dataset = _described(create_archive_listing(session, tenant_id, request, body.name), body)
        wake_after_commit(session, queue, TaskName.LIST, str(dataset.id))
        return dataset


def _check_place(place: str, profile: str | None, settings: Settings, s3: S3Sources) -> None:
    """Raise if the file is neither below an allowed root nor in an allowed bucket."""
    if place.startswith(S3_SCHEME):
        s3.choose(parse_s3_object(place), profile)
    else:
        resolve_allowed(place, settings.dataset_roots)


def _check_prompts(body: FromBucket | FromManifest | FromArchive, settings: Settings, s3: S3Sources) -> None:
    if body.prompts_path is not None:
        _check_place(body.prompts_path, body.profile, settings, s3)


def _of_manifest(
    body: FromManifest, tenant_id: uuid.UUID, settings: Settings, s3: S3Sources, engine: Engine, queue: TaskQueue
) -> DatasetRow:
    _check_place(body.manifest, body.profile, settings, s3)
    _check_prompts(body, settings, s3)
    form = format_of(body.manifest, body.format)
    request = ManifestRequest(
        body.manifest,
        form,
        body.profile,
        body.limit,
        prompts_path=body.prompts_path,
        prompts_format=body.labels_format,
        frames=body.choice,
    )
    with transaction(engine) as session:
        dataset = _described(create_manifest_listing(session, tenant_id, request, body.name), body)
        wake_after_commit(session, queue, TaskName.LIST, str(dataset.id))
        return dataset


def _described(dataset: DatasetRow, body: CreateDataset) -> DatasetRow:
    merge_changes(dataset, {"labels": body.labels, "notes": body.notes})
    return dataset


def _left_out(body: ForUpload) -> Sequence[LeftOut]:
    return [LeftOut(one.reason, one.count, tuple(one.examples)) for one in body.left_out]
