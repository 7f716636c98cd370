"""A segmentation from images to an ended job, as a flow for both clients."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Literal

from samfleet.client.create_dataset import Watch, created_dataset, prompted_version
from samfleet.client.images import ExistingDataset, Pictures
from samfleet.client.local_source import Source
from samfleet.client.prompts import GivenPrompts
from samfleet.client.routes import datasets, jobs, runs
from samfleet.client.schemas import Dataset, Job
from samfleet.client.server_sources import BucketSource, ServerSource
from samfleet.client.steps import Steps, ask
from samfleet.client.transport import ApiError
from samfleet.client.uploads import UploadProgress, uploaded
from samfleet.client.wait import JobFailed, ended_job
from samfleet.errors import InvalidInput, SamfleetError
from samfleet.variants.catalogue import unknown_variant

_MOST_NAMED = 5  # failed images that an error names


class JobCancelled(SamfleetError):
    """The job was cancelled; its recorded results are kept."""

    code = "job_cancelled"


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a segmentation: images that were uploaded, listed by the server, or segmented by all variants.

    `total` is None as long as it is not known. `failed` of `done` images have no masks. `job` has everything else that
    the server says, once there is one.
    """

    step: Literal["uploading", "listing", "segmenting"]
    done: int
    total: int | None
    failed: int = 0
    job: Job | None = None

    def __str__(self) -> str:
        of = "" if self.total is None else f" of {self.total}"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.step}: {self.done}{of} images{failed}"


@dataclass(frozen=True, slots=True)
class Wish:
    """Variants, task and other wishes of a caller. `fields` are those of the job; None leaves one out."""

    variants: Sequence[str]
    task: Mapping[str, Any]
    name: str | None = None
    pools: Sequence[str] = ()
    upload: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    prompts: GivenPrompts | None = None

    @classmethod
    def of(
        cls,
        variants: str | Sequence[str],
        task: str | Mapping[str, Any] | None,
        prompts: str | os.PathLike[str] | None,
        prompts_format: str | None,
        **more: Any,
    ) -> Wish:
        """Return the wish; without a task, that of the prompts if there are some, or else all masks."""
        names = [variants] if isinstance(variants, str) else list(variants)
        if not names:
            raise InvalidInput("there are no variants; name at least one, such as mobile_sam")
        given = GivenPrompts.of(prompts, prompts_format)
        if task is None:
            task = {"kind": "everything"} if given is None else {"kind": "prompts", "prompt": "file"}
        return cls(names, {"kind": task} if isinstance(task, str) else task, prompts=given, **more)


@dataclass(slots=True)
class Made:
    """Objects that a segmentation has created on the server so far."""

    dataset_id: str | None = None
    job_id: str | None = None


AnySource = ExistingDataset | ServerSource | Source | Pictures
OnProgress = Callable[[Progress], None]


def segmented(
    source: AnySource, wish: Wish, made: Made, on_progress: OnProgress, now: Callable[[], float] = time.monotonic
) -> Steps[Job]:
    """Return the ended job. Raises `JobFailed` and `JobCancelled`, and refusals of the server as `ApiError`."""
    known = yield from ask(runs.variant_names())
    for name in wish.variants:
        if name not in known:
            raise unknown_variant(name, known)
    dataset_id = yield from _dataset(source, wish, made, on_progress, now)
    try:
        job = yield from ask(
            jobs.submit_job(dataset_id, wish.variants, wish.task, pools=wish.pools, name=wish.name, **wish.fields)
        )
    except ApiError as refusal:
        if refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            yield from removed(made)  # nothing else uses the dataset
        raise
    made.job_id = job.id
    job = yield from ended_job(job.id, lambda changed: on_progress(_progress_of(changed)), now)
    if job.state == "failed":
        raise JobFailed((yield from _why(job)))
    if job.state == "cancelled":
        raise JobCancelled(f"job {job.id} was cancelled; its recorded results are kept")
    return job


def removed(made: Made) -> Steps[None]:
    """Delete the job and the dataset that a segmentation has made."""
    if made.job_id is not None:
        yield from ask(jobs.delete_job(made.job_id, cancel=True))
        made.job_id = None
    if made.dataset_id is not None:
        yield from ask(datasets.delete_dataset(made.dataset_id))
        made.dataset_id = None


def _dataset(
    source: AnySource, wish: Wish, made: Made, on_progress: OnProgress, now: Callable[[], float]
) -> Steps[str]:
    if isinstance(source, ExistingDataset):
        return (yield from _existing(source, wish, made))

    def sent(progress: UploadProgress) -> None:
        on_progress(Progress("uploading", progress.files, progress.total_files))

    def listed(dataset: Dataset) -> None:
        on_progress(Progress("listing", dataset.listed, None))

    if isinstance(source, Pictures):
        return (yield from _uploaded(source, wish, made, sent))
    if wish.name is not None:
        source = _called(source, wish.name)
    given = source if wish.prompts is None else wish.prompts.beside(source)
    made.dataset_id = (yield from created_dataset(given, Watch(sent, listed, now), upload=wish.upload)).id
    return made.dataset_id


def _existing(source: ExistingDataset, wish: Wish, made: Made) -> Steps[str]:
    """Return the id of a dataset of the server, or of the version of it that has the prompts."""
    dataset = yield from ask(datasets.dataset(source.id))
    if wish.prompts is None:
        return dataset.id
    version = yield from prompted_version(dataset.id, wish.prompts.path, wish.prompts.format)
    made.dataset_id = version.id
    return version.id


def _uploaded(source: Pictures, wish: Wish, made: Made, on_progress: Callable[[UploadProgress], None]) -> Steps[str]:
    """Make a dataset of pictures. One that is not complete is removed again, because nobody could use it."""
    if wish.prompts is not None:
        wish.prompts.path  # noqa: B018 - it raises before anything is sent
    dataset = yield from ask(datasets.create_upload_dataset(name=wish.name, **source.frames))
    made.dataset_id = dataset.id
    try:
        yield from uploaded(dataset.id, source.named(), source.count, on_progress)
        if wish.prompts is not None:
            yield from ask(datasets.upload_prompts(dataset.id, wish.prompts.path, wish.prompts.format))
        yield from ask(datasets.seal_dataset(dataset.id))
    except (SamfleetError, OSError):
        yield from removed(made)
        raise
    return dataset.id


def _progress_of(job: Job) -> Progress:
    counts = job.counts
    return Progress("segmenting", counts.succeeded + counts.failed, counts.total, counts.failed, job)


def _why(job: Job) -> Steps[str]:
    """Say why a job failed, and which of its images did."""
    page = yield from ask(jobs.job_errors(job.id).page(None))
    errors = list(map(jobs.job_errors(job.id).parse, page["items"]))
    reason = "; ".join(job.reasons) or "the server gives no reason"
    if not errors:
        return f"job {job.id} failed: {reason}"
    shown = "; ".join(f"{one.file_name}: {one.message} [{one.code}]" for one in errors[:_MOST_NAMED])
    more = "; …" if len(errors) > _MOST_NAMED else ""
    return f"job {job.id} failed: {reason}; images: {shown}{more}"


def _called(source: ServerSource | Source, name: str) -> ServerSource | Source:
    if isinstance(source, Source):
        return replace(source, name=name)
    if isinstance(source, BucketSource):
        return replace(source, fields={**source.fields, "name": name})
    return replace(source, described={**source.described, "name": name})
