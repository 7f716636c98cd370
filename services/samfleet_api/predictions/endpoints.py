"""`POST /v1/predict`: one image, segmented while the client waits."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from samfleet.datasets.prompt_lines import PromptsInvalid
from samfleet.datasets.s3_sources import BucketNotAllowed, S3ProfileUnknown
from samfleet.datasets.service import DatasetNotFound
from samfleet.datasets.url_sources import UrlNotAllowed
from samfleet.image_errors import ImageFailed
from samfleet.jobs.file_prompts import PromptMaskMismatch, PromptOutsideImage
from samfleet.jobs.job_request import PoolNotFound
from samfleet.jobs.queue import QueueUnavailable
from samfleet.jobs.weights import VariantWithoutWeights
from samfleet.licences import LicenceNotAccepted
from samfleet.logging import correlation_id
from samfleet.predictions.errors import PredictionFailed, PredictionRejected, PredictionsBusy, PredictionTimeout
from samfleet.predictions.mailbox import Mailbox
from samfleet.predictions.messages import PredictionRequest, read_reply
from samfleet.storage.store import StorageForbidden, StorageUnavailable
from samfleet.variants.budget import MasksTooMany, PromptsTooMany
from samfleet.variants.catalogue import VariantNotFound
from samfleet.variants.conventions import PromptUnsupported
from samfleet.variants.task import TaskInvalid
from samfleet_api.dependencies import EngineValue, RemoteValue, SettingsValue, StoreValue, TenantId
from samfleet_api.long_requests import TooBusy, long_running
from samfleet_api.predictions.request_body import PREDICT_BODY, PredictBodyValue
from samfleet_api.predictions.schemas import Prediction
from samfleet_api.predictions.service import ImageNotFound, InFlight, Sources, measured, prepare
from samfleet_api.problems import problems

router = APIRouter(prefix="/v1/predict", tags=["predictions"])


async def get_mailbox(request: Request) -> Mailbox:
    mailbox: Mailbox = request.app.state.mailbox
    return mailbox


async def get_in_flight(request: Request) -> InFlight:
    in_flight: InFlight = request.app.state.predictions
    return in_flight


MailboxValue = Annotated[Mailbox, Depends(get_mailbox)]
InFlightValue = Annotated[InFlight, Depends(get_in_flight)]


@router.post(
    "",
    summary="Segment one image now",
    operation_id="prediction_create",
    openapi_extra=PREDICT_BODY,
    responses=problems(
        BucketNotAllowed,
        DatasetNotFound,
        ImageFailed,
        ImageNotFound,
        LicenceNotAccepted,
        MasksTooMany,
        PoolNotFound,
        PredictionFailed,
        PredictionRejected,
        PredictionTimeout,
        PredictionsBusy,
        PromptMaskMismatch,
        PromptOutsideImage,
        PromptUnsupported,
        PromptsInvalid,
        PromptsTooMany,
        QueueUnavailable,
        S3ProfileUnknown,
        StorageForbidden,
        StorageUnavailable,
        TaskInvalid,
        TooBusy,
        UrlNotAllowed,
        VariantNotFound,
        VariantWithoutWeights,
    ),
)
@long_running
def predict(
    body: PredictBodyValue,
    tenant_id: TenantId,
    settings: SettingsValue,
    engine: EngineValue,
    store: StoreValue,
    remote: RemoteValue,
    mailbox: MailboxValue,
    in_flight: InFlightValue,
) -> Prediction:
    """Segment an image through the same Triton servers as jobs, with the same masks, and store nothing.

    With `objects` there is a mask per prompt (SegAny), otherwise all masks of the image (SegEvery). Use a job for more
    than a few images: a prediction has a time limit, and each process accepts only a few at a time.
    """
    with measured(), in_flight.place():
        prepared = prepare(body, tenant_id, settings, Sources(engine, store, remote))
        asked = PredictionRequest(prepared.record.name, prepared.request, correlation_id())
        reply = mailbox.ask(prepared.pool, asked.to_bytes(), settings.predict_timeout.total_seconds())
        found = read_reply(reply)
    return Prediction.of(prepared.record, prepared.pool, found, prepared.origins, prepared.request.prompts)
