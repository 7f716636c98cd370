"""`GET /v1/reports/advise`: which variant to use, and what to measure next."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from samfleet.advice.advise import advise
from samfleet.advice.machines import HardwareAmbiguous, HardwareUnknown
from samfleet.advice.question import AdviceInvalid, Prefer, Question, Task, TimedStage
from samfleet.advice.tasks_measured import DatasetUnknown
from samfleet_api.dependencies import ReadSessionValue, SettingsValue, TenantId
from samfleet_api.pools.repository import fresh_heartbeats, hardware_ids
from samfleet_api.problems import problems
from samfleet_api.reports.advice_schemas import Advice
from samfleet_api.schemas import StorableText

router = APIRouter(prefix="/v1/reports", tags=["reports"])

MOST_LICENCES = 20
MOST_BYTES = 2**60
Fraction = Annotated[float | None, Query(allow_inf_nan=False, description="A fraction from 0 to 1.")]


def read_question(
    *,
    task: Annotated[Task, Query(description="`everything`, or one mask for each box or centre point.")] = "everything",
    hardware: Annotated[
        StorableText | None,
        Query(
            max_length=200,
            description="`this` (the reachable pools), `cpu`, `gpu`, a machine's id or name, or a part of it, or the "
            "name of a machine with published figures, such as RTX 3090. Default: every measured machine.",
        ),
    ] = None,
    dataset: Annotated[
        StorableText | None,
        Query(max_length=200, description="Default: the dataset with the most annotated objects for the task."),
    ] = None,
    stage: Annotated[TimedStage, Query(description="Stage of the latency; `model` is the time in Triton.")] = "model",
    max_latency_ms: Annotated[float | None, Query(allow_inf_nan=False, description="Of the median image.")] = None,
    min_images_per_hour: Annotated[
        float | None, Query(allow_inf_nan=False, description="Images per hour of device time.")
    ] = None,
    max_cost_per_1000: Annotated[float | None, Query(allow_inf_nan=False, description="In `currency`.")] = None,
    currency: Annotated[StorableText, Query(max_length=3, description="Of prices; three letters of ISO 4217.")] = "USD",
    max_memory_bytes: Annotated[int | None, Query(le=MOST_BYTES, description="Of the measured peak.")] = None,
    min_miou: Fraction = None,
    min_ap: Fraction = None,
    min_ar: Annotated[float | None, Query(allow_inf_nan=False, description="AR of 1000 masks an image.")] = None,
    exclude_licence: Annotated[
        list[StorableText],
        Query(max_length=MOST_LICENCES, description="An SPDX identifier or its family, such as AGPL; repeatable."),
    ] = [],  # noqa: B006 - FastAPI copies defaults
    commercial: Annotated[bool, Query(description="Only licences that allow commercial use.")] = False,
    prefer: Annotated[Prefer, Query(description="What ranks candidates that meet the constraints.")] = "quality",
) -> Question:
    return Question(
        task=task,
        hardware=hardware,
        dataset=dataset,
        stage=stage,
        max_latency_ms=max_latency_ms,
        min_images_per_hour=min_images_per_hour,
        max_cost_per_1000=max_cost_per_1000,
        currency=currency,
        max_memory_bytes=max_memory_bytes,
        min_miou=min_miou,
        min_ap=min_ap,
        min_ar=min_ar,
        exclude_licences=tuple(exclude_licence),
        commercial=commercial,
        prefer=prefer,
    )


@router.get(
    "/advise",
    summary="Which variant to use",
    operation_id="report_advise",
    responses=problems(AdviceInvalid, DatasetUnknown, HardwareUnknown, HardwareAmbiguous),
)
def read_advice(
    tenant_id: TenantId,  # first, so that nobody learns without a key what is wrong with a question
    question: Annotated[Question, Depends(read_question)],
    session: ReadSessionValue,
    settings: SettingsValue,
) -> Advice:
    """Rank variants and executions for a task, hardware and constraints, with the evidence for each figure. Only
    measurements recommend a candidate; published figures are hints. `steps` says what to measure next.
    """
    devices = [
        device["fingerprint_sha256"]
        for beat in fresh_heartbeats(session)
        for server in beat.detail.get("servers", ())
        for device in server.get("devices", ())
    ]
    reachable = frozenset(hardware_ids(session, devices).values())
    return Advice.of(advise(session, tenant_id, question, reachable=reachable, accepted=settings.accept_licenses))
