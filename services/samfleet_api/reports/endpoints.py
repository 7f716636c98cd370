from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from samfleet.jobs.cancel import JobNotFound
from samfleet.reports import compare as comparing
from samfleet.reports.cost import HardwareNotFound, cost, set_price
from samfleet.reports.known_variants import require_known_variants
from samfleet.reports.latency import latency
from samfleet.reports.pareto import Against, Measure, pareto
from samfleet.reports.quality import quality as agreement
from samfleet.reports.query import ReportInvalid
from samfleet.reports.table import Report as Table
from samfleet.reports.throughput import throughput
from samfleet.variants.catalogue import VariantNotFound
from samfleet.wire.stages import DEVICE_STAGES, STAGES
from samfleet_api.dependencies import EngineValue, ReadSessionValue, TenantId, WriteSessionValue
from samfleet_api.problems import problems
from samfleet_api.reports.parameters import ReportQueryValue, WholeQueryValue
from samfleet_api.reports.schemas import HardwarePrice, Price, Report, ReportFormat, StageList, StageName
from samfleet_api.schemas import StorableText
from samfleet_api.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1/reports", tags=["reports"])
prices = APIRouter(prefix="/v1/hardware", tags=["hardware"], route_class=StrictJsonRoute)

Format = Annotated[ReportFormat, Query(alias="format", description="CSV has the same columns as the JSON rows.")]
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": Report, "description": "The rows.", "content": {"text/csv": {"schema": {"type": "string"}}}},
    **problems(ReportInvalid, JobNotFound, VariantNotFound),
}


@router.get("/latency", summary="Time per image by stage", operation_id="report_latency", responses=RESPONSES)
def read_latency(
    query: ReportQueryValue,
    session: ReadSessionValue,
    form: Format = ReportFormat.JSON,
    *,
    intervals: Annotated[
        bool, Query(description="Add `p50_low_ms` and `p50_high_ms`, a 95 % bootstrap interval of the median.")
    ] = False,
) -> Response:
    """Percentiles are within 1 % of the exact ones. `image` is the sum of all stages except the queue."""
    return _answer(latency(session, query, intervals=intervals), form)


@router.get("/stages", summary="Stages of an image's time", operation_id="report_stages", responses=problems())
def read_stages(_tenant_id: TenantId) -> StageList:
    """List the stages in order. `on_device` stages are timed by CUDA events on a GPU. A report's `image` is the sum of
    all stages except `queue`.
    """
    return StageList(items=[StageName(name=stage, on_device=stage in DEVICE_STAGES) for stage in STAGES])


@router.get("/throughput", summary="Images over time", operation_id="report_throughput", responses=RESPONSES)
def read_throughput(query: WholeQueryValue, session: ReadSessionValue, form: Format = ReportFormat.JSON) -> Response:
    """Throughput is measured per run, so stages and batch sizes are neither groups nor filters here."""
    return _answer(throughput(session, query), form)


@router.get("/quality", summary="Agreement with annotations", operation_id="report_quality", responses=RESPONSES)
def read_quality(query: WholeQueryValue, session: ReadSessionValue, form: Format = ReportFormat.JSON) -> Response:
    """One row per dataset: figures of different annotations are never averaged. `miou` is measured image by image. The
    columns after `runs_evaluated` are means over evaluated runs, which count in the hour of their last image.
    """
    return _answer(agreement(session, query), form)


@router.get("/pareto", summary="Quality against speed or cost", operation_id="report_pareto", responses=RESPONSES)
def read_pareto(
    query: WholeQueryValue,
    session: ReadSessionValue,
    against: Annotated[Against, Query(description="Device time, wall-clock time of the run, or cost.")] = "device",
    quality: Annotated[
        Measure,
        Query(description="Measure of quality; `ar` counts up to 1000 masks per image, `lvis_ap` is LVIS's AP."),
    ] = "miou",
    form: Format = ReportFormat.JSON,
) -> Response:
    """`dominated`: another point of the same dataset and task is at least as good in both and better in one. `device`
    uses `images_per_gpu_hour`; `speed` uses wall-clock time, which runs of one job on the same pool share.
    """
    return _answer(pareto(session, query, against, quality), form)


@router.get("/compare", summary="Compare two machines or variants", operation_id="report_compare", responses=RESPONSES)
def read_comparison(
    query: ReportQueryValue,
    session: ReadSessionValue,
    engine: EngineValue,
    by: Annotated[comparing.By, Query(description="Type of `a` and `b`.")],
    a: Annotated[StorableText, Query(max_length=100, description="A variant's name or a hardware's id.")],
    b: Annotated[StorableText, Query(max_length=100, description="The second side, of the same type.")],
    form: Format = ReportFormat.JSON,
) -> Response:
    """Return the ratio of medians with a 95 % bootstrap interval, of whole images unless `stage` is given. Only the
    same task on the same dataset is compared. `p_corrected` and `verdict` are corrected for the number of pairs in the
    report. If nothing matches, `note` says what each side has measured.
    """
    if by == "variant":
        require_known_variants(engine, query.tenant_id, (a, b))
    first, second = (_hardware_id(value) if by == "hardware" else value for value in (a, b))
    return _answer(comparing.compare(session, query, by, first, second), form)


@router.get("/cost", summary="Cost of images", operation_id="report_cost", responses=RESPONSES)
def read_cost(query: WholeQueryValue, session: ReadSessionValue, form: Format = ReportFormat.JSON) -> Response:
    """Compute costs from device hours and the prices set by `PUT /v1/hardware/{id}/price`."""
    return _answer(cost(session, query), form)


@prices.put(
    "/{hardware_id}/price",
    summary="Set the price per hour of hardware",
    operation_id="hardware_put_price",
    responses=problems(HardwareNotFound),
)
def put_price(hardware_id: uuid.UUID, body: Price, tenant_id: TenantId, session: WriteSessionValue) -> HardwarePrice:
    """The price applies to the reports of this key's tenant."""
    set_price(session, tenant_id, hardware_id, body.per_hour, body.currency)
    return HardwarePrice(hardware_id=hardware_id, per_hour=body.per_hour, currency=body.currency)


def _answer(table: Table, form: ReportFormat) -> Response:
    if form is ReportFormat.CSV:
        return Response(table.csv(), media_type="text/csv")
    body = Report(rows=table.rows, parameters=table.parameters, note=table.note)
    return Response(body.model_dump_json(), media_type="application/json")


def _hardware_id(value: str) -> uuid.UUID:
    try:
        return uuid.UUID(value)
    except ValueError as error:
        raise ReportInvalid(f"{value!r} is not a hardware id; GET /v1/hardware lists them") from error
