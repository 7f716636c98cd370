"""Uploads to an open dataset, and sealing."""

from __future__ import annotations

from typing import IO, Annotated

from fastapi import APIRouter, Depends, Query

from samfleet.datasets import uploads
from samfleet.datasets.annotate import AnnotationsUnmatched
from samfleet.datasets.annotation_entries import AnnotationsInvalid, AnnotationsTooLarge
from samfleet.datasets.archives.errors import (
    ArchiveBomb,
    ArchiveDuplicate,
    ArchiveEncrypted,
    ArchiveInvalid,
    ArchiveMemberForbidden,
    ArchiveNameForbidden,
)
from samfleet.datasets.detections import DetectionsInvalid, DetectionsTooLarge
from samfleet.datasets.directory import DatasetEmpty
from samfleet.datasets.frames.listing import FrameNameTaken
from samfleet.datasets.prompt_formats.foreign import LabelsOfNoImage, LabelsUnreadable
from samfleet.datasets.prompt_lines import PromptsInvalid, PromptsTooLarge
from samfleet.datasets.service import DatasetNotFound, DatasetTooLarge, InputLimits
from samfleet.datasets.upload_errors import DatasetChanged, DatasetSealed
from samfleet.storage.store import StorageFull, StorageUnavailable
from samfleet_api.datasets.request_bodies import (
    ANNOTATIONS_BODY,
    DETECTIONS_BODY,
    PROMPTS_BODY,
)
from samfleet_api.datasets.schemas import Dataset
from samfleet_api.datasets.spooled import PromptsFormat, of_annotations, spooled
from samfleet_api.dependencies import EngineValue, SettingsValue, StoreValue, TenantId
from samfleet_api.long_requests import long_running
from samfleet_api.problems import problems
from samfleet_api.short_ids import DatasetId
from samfleet_api.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], route_class=StrictJsonRoute)


AnnotationsFile = Annotated[IO[bytes], Depends(spooled("the annotations have", AnnotationsTooLarge, of_annotations))]
DetectionsFile = Annotated[IO[bytes], Depends(spooled("the detections have", DetectionsTooLarge, of_annotations))]
PromptsFile = Annotated[IO[bytes], Depends(spooled("the prompts have", PromptsTooLarge, of_annotations))]


@router.put(
    "/{dataset_id}/annotations",
    summary="Upload annotations",
    operation_id="dataset_put_annotations",
    openapi_extra=ANNOTATIONS_BODY,
    responses=problems(
        DatasetNotFound, DatasetSealed, AnnotationsInvalid, AnnotationsTooLarge, StorageFull, StorageUnavailable
    ),
)
@long_running
def put_annotations(
    dataset_id: DatasetId,
    content: AnnotationsFile,
    tenant_id: TenantId,
    settings: SettingsValue,
    engine: EngineValue,
    store: StoreValue,
) -> Dataset:
    """Store a COCO instances file, replacing an earlier one. Sealing the dataset matches it to the images."""
    limits = InputLimits.of(settings).annotations
    return Dataset.of(uploads.put_annotations(engine, store, tenant_id, dataset_id, content, limits))


@router.put(
    "/{dataset_id}/detections",
    summary="Upload detections",
    operation_id="dataset_put_detections",
    openapi_extra=DETECTIONS_BODY,
    responses=problems(
        DatasetNotFound, DatasetSealed, DetectionsInvalid, DetectionsTooLarge, StorageFull, StorageUnavailable
    ),
)
@long_running
def put_detections(
    dataset_id: DatasetId,
    content: DetectionsFile,
    tenant_id: TenantId,
    settings: SettingsValue,
    engine: EngineValue,
    store: StoreValue,
) -> Dataset:
    """Store COCO results with boxes, which prompt the sampler object_aware; they replace earlier ones. Their image ids
    are checked when the dataset is sealed: those of the annotations file, or 1, 2, 3, … in the order of the names.
    """
    limits = InputLimits.of(settings).annotations
    return Dataset.of(uploads.put_detections(engine, store, tenant_id, dataset_id, content, limits))


@router.put(
    "/{dataset_id}/prompts",
    summary="Upload prompts",
    operation_id="dataset_put_prompts",
    openapi_extra=PROMPTS_BODY,
    responses=problems(
        ArchiveBomb,
        ArchiveDuplicate,
        ArchiveEncrypted,
        ArchiveInvalid,
        ArchiveMemberForbidden,
        ArchiveNameForbidden,
        DatasetNotFound,
        DatasetSealed,
        LabelsUnreadable,
        PromptsInvalid,
        PromptsTooLarge,
        StorageFull,
        StorageUnavailable,
    ),
)
@long_running
def put_prompts(
    dataset_id: DatasetId,
    content: PromptsFile,
    tenant_id: TenantId,
    settings: SettingsValue,
    engine: EngineValue,
    store: StoreValue,
    form: Annotated[
        PromptsFormat,
        Query(
            alias="format",
            description="jsonl, a prompts file; csv, label_studio (its JSON export), coco (instances) or fiftyone "
            "(samples.json); yolo or voc, a zip file of the folder of labels.",
        ),
    ] = "jsonl",
) -> Dataset:
    """Store a prompts file (JSON lines, one image a line), which the task {"kind": "prompts", "prompt": "file"} uses;
    it replaces an earlier one. Its images are matched when the dataset is sealed.

    With another format, labels that another tool wrote become prompts: boxes and points. Their names of images are
    matched by the rules for annotations.
    """
    limits, labels = InputLimits.of(settings), None if form == "jsonl" else form
    return Dataset.of(uploads.put_prompts(engine, store, tenant_id, dataset_id, content, limits, labels))


@router.post(
    "/{dataset_id}/seal",
    summary="Seal a dataset",
    operation_id="dataset_seal",
    responses=problems(
        DatasetNotFound,
        DatasetEmpty,
        DatasetChanged,
        DatasetTooLarge,
        FrameNameTaken,
        AnnotationsInvalid,
        AnnotationsTooLarge,
        AnnotationsUnmatched,
        DetectionsInvalid,
        DetectionsTooLarge,
        LabelsOfNoImage,
        PromptsInvalid,
        PromptsTooLarge,
        StorageUnavailable,
    ),
)
@long_running
def seal_dataset(
    dataset_id: DatasetId,
    tenant_id: TenantId,
    settings: SettingsValue,
    engine: EngineValue,
    store: StoreValue,
    *,
    strict_annotations: Annotated[
        bool, Query(description="Reject images that the annotations do not name, and annotations of other images.")
    ] = False,
    skip_other_prompts: Annotated[
        bool, Query(description="Leave out prompts of images that the dataset does not have; by default an error.")
    ] = False,
) -> Dataset:
    """Make the list of images final, so that jobs may use it. Images get their order and ids. May be repeated."""
    limits = InputLimits.of(settings)
    rules = {"strict_annotations": strict_annotations, "skip_other_prompts": skip_other_prompts}
    return Dataset.of(uploads.seal(engine, store, tenant_id, dataset_id, limits, **rules))
