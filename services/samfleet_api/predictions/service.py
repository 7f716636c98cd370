"""The steps of a prediction before it is sent: the same checks as for a job, and the prompts in pixels."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine, select

from samfleet.config import Settings
from samfleet.datasets.content import Remote, read_image
from samfleet.datasets.prompt_lines import check_line
from samfleet.datasets.service import get_dataset
from samfleet.db.models import DatasetImage
from samfleet.db.session import read_only
from samfleet.errors import NotFound, SamfleetError
from samfleet.image_errors import ImageEmpty, ImageTooLarge
from samfleet.jobs.file_prompts import file_prompt
from samfleet.jobs.job_request import PoolNotFound
from samfleet.jobs.outcomes import FilePrompt
from samfleet.jobs.task import EverythingJobTask, parse_job_task
from samfleet.jobs.weights import require_weights
from samfleet.masks.image_file import upright_size
from samfleet.metrics import PREDICTIONS
from samfleet.predictions.errors import PredictionsBusy
from samfleet.storage.store import ObjectStore
from samfleet.variants.budget import check_request
from samfleet.variants.catalogue import get_variant
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters, TaskInvalid, TaskParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_api.predictions.request_body import PredictBody
from samfleet_api.predictions.schemas import Predict

RETRY_AFTER_SECONDS = 2.0


class ImageNotFound(NotFound):
    """The dataset has no image with this id."""

    code = "image_not_found"


class InFlight:
    """Places for the predictions that this process waits for."""

    def __init__(self, most: int) -> None:
        self._places = threading.BoundedSemaphore(most)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place for the block. Raises `PredictionsBusy` if there is none: waiting would hold the image."""
        if not self._places.acquire(blocking=False):
            raise PredictionsBusy(retry_after_seconds=RETRY_AFTER_SECONDS)
        try:
            yield
        finally:
            self._places.release()


@contextmanager
def measured() -> Iterator[None]:
    """Count a prediction by its outcome, with its duration. An outcome is a code, never a text of the request."""
    start, outcome = time.perf_counter(), "crashed"
    try:
        yield
        outcome = "succeeded"
    except SamfleetError as error:
        outcome = error.code
        raise
    finally:
        PREDICTIONS.labels(outcome).observe(time.perf_counter() - start)


@dataclass(frozen=True, slots=True)
class Sources:
    """Database, store, buckets and URLs with the images of datasets."""

    engine: Engine
    store: ObjectStore
    remote: Remote


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked prediction. `origins` has the object of each prompt; empty for SegEvery."""

    record: VariantRecord
    pool: str
    request: SegmentRequest
    origins: tuple[FilePrompt, ...]


def prepare(body: PredictBody, tenant_id: uuid.UUID, settings: Settings, sources: Sources) -> Prepared:
    """Check the request as a job would be, read the image's header and return what to send."""
    asked = body.request
    record = get_variant(asked.variant)
    record.require_accepted(settings.accept_licenses)
    pool = _pool(asked, tuple(settings.pools))
    with read_only(sources.engine) as session:
        require_weights(session, [record], [pool], settings.weights_dir)
    task, origins = _task(asked, record), _origins(asked, settings.max_pixels)
    data = _read(body, tenant_id, settings.max_predict_image_bytes, sources)
    size = upright_size(data, settings.max_pixels)
    prompts = tuple(file_prompt(origin, size) for origin in origins)
    _check(record, task, prompts, settings.max_prompts_per_image)
    return Prepared(record, pool, SegmentRequest(data, task, prompts), origins)


def _pool(asked: Predict, known: tuple[str, ...]) -> str:
    pool = asked.pool or known[0]
    if pool not in known:
        raise PoolNotFound(f"pool {pool} is unknown; known are {', '.join(sorted(known))}")
    return pool


def _task(asked: Predict, record: VariantRecord) -> TaskParameters:
    if asked.objects is not None:
        return PromptsParameters(masks="best")
    task = parse_job_task(asked.task or {"kind": "everything"})
    if task.tile is not None:
        raise TaskInvalid("a prediction has no tiles; leave tile out, or submit a job")
    if not isinstance(task, EverythingJobTask):
        raise TaskInvalid("the task of a prediction is 'everything'; for prompts send objects instead")
    parameters: EverythingParameters = task.parameters(record)
    if parameters.prompted:
        raise TaskInvalid(f"boxes_from {parameters.boxes_from!r} needs a dataset's files; send the boxes as objects")
    return parameters


def _origins(asked: Predict, max_pixels: int) -> tuple[FilePrompt, ...]:
    objects = [{"id": number, **one} for number, one in enumerate(asked.objects or (), start=1)]
    members = {"file_name": "image", "coordinates": asked.coordinates, "objects": objects}
    line = check_line("body", members, max_pixels)
    return tuple(
        FilePrompt(one.object_id, number, one.category_id, prompt, relative=line.coordinates == "relative")
        for one in line.objects
        for number, prompt in enumerate(one.prompts)
    )


def _check(record: VariantRecord, task: TaskParameters, prompts: tuple[Prompt, ...], most: int) -> None:
    for prompt in prompts:
        record.conventions.check(prompt, record.name)
    check_request(task, prompts, most, record.conventions.prompts.cost)


def _read(body: PredictBody, tenant_id: uuid.UUID, most: int, sources: Sources) -> bytes:
    too_large = f"the file is larger than {most} bytes; submit a job for it, or make the image smaller"
    if body.image is None:
        try:
            return read_image(sources.store, _uri(body.request, tenant_id, sources.engine), most, sources.remote)
        except ImageTooLarge as error:  # it names the limit of jobs
            raise ImageTooLarge(too_large) from error
    data = body.image.read(most + 1)
    if len(data) > most:
        raise ImageTooLarge(too_large)
    if not data:
        raise ImageEmpty
    return data


def _uri(asked: Predict, tenant_id: uuid.UUID, engine: Engine) -> str:
    if asked.dataset_id is None:
        raise ValueError("the body names an image of a dataset")
    with read_only(engine) as session:
        dataset = get_dataset(session, tenant_id, asked.dataset_id)
        query = select(DatasetImage.uri).where(
            DatasetImage.dataset_id == dataset.id, DatasetImage.image_id == asked.image_id
        )
        uri = session.scalars(query).one_or_none()
    if uri is None:
        raise ImageNotFound(f"dataset {dataset.id} has no image with the id {asked.image_id}")
    return uri
