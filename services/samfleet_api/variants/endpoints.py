from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Depends, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.config import Settings
from samfleet.db.audit import Action, Actor, write_audit
from samfleet.db.models import WeightPull as PullRow
from samfleet.errors import NotFound
from samfleet.licences import LicenceNotAccepted
from samfleet.pulls.request import (
    PullNotPossible,
    PullsForbidden,
    TooManyPulls,
    WeightsPresent,
    cancel_pull,
    request_pull,
    require_pullable,
)
from samfleet.variants.catalogue import VARIANTS, VariantNotFound, get_variant
from samfleet.variants.record import VariantRecord
from samfleet_api.dependencies import (
    CallerValue,
    QueueValue,
    ReadSessionValue,
    SettingsValue,
    WriteSessionValue,
    current_tenant,
)
from samfleet_api.pools.repository import fresh_heartbeats
from samfleet_api.problems import problems
from samfleet_api.schemas import StorableText
from samfleet_api.variants.schemas import Variant, Variants, WeightPull
from samfleet_api.variants.weights import WeightsOnPools, weights_here

router = APIRouter(prefix="/v1/variants", tags=["variants"], dependencies=[Depends(current_tenant)])


class VariantMissing(VariantNotFound):
    """There is no variant with this name; GET /v1/variants lists them."""

    code = "variant_not_found"
    status_code = 404


class PullNotFound(NotFound):
    """The weights of this variant were never pulled by a request; POST to the same address starts it."""

    code = "pull_not_found"


@router.get("", summary="List variants", operation_id="variant_list", responses=problems())
def list_variants(settings: SettingsValue, session: ReadSessionValue) -> Variants:
    view = _viewer(session, settings)
    return Variants(items=[view(record) for record in VARIANTS.values()])


@router.get("/{name}", summary="Read a variant", operation_id="variant_read", responses=problems(VariantMissing))
def read_variant(name: StorableText, settings: SettingsValue, session: ReadSessionValue) -> Variant:
    return _viewer(session, settings)(_require(name))


@router.post(
    "/{name}/pull",
    status_code=202,
    summary="Fetch a variant's weights",
    operation_id="variant_pull",
    responses={
        200: {"model": WeightPull, "description": "The pull that is under way."},
        **problems(LicenceNotAccepted, PullNotPossible, PullsForbidden, TooManyPulls, VariantMissing, WeightsPresent),
    },
)
def pull(
    name: StorableText,
    caller: CallerValue,
    settings: SettingsValue,
    session: WriteSessionValue,
    queue: QueueValue,
    response: Response,
) -> WeightPull:
    """Let the control worker fetch the weights from where their authors publish them, into the weights folder.

    Refused where the operator forbids it or the folder cannot be written. A pull that is under way is returned.
    """
    record = _require(name)
    require_pullable(record, settings.weights_dir, settings.accept_licenses, allowed=settings.allow_pulls)
    row, started = request_pull(session, queue, record.name)
    if started:
        actor = Actor.of_key(session, caller.key_id)
        write_audit(session, actor, Action.WEIGHTS_PULL_REQUESTED, caller.tenant_id, row.id, variant=record.name)
    else:
        response.status_code = 200
    response.headers["Location"] = f"{router.prefix}/{record.name}/pull"
    return WeightPull.of(row)


@router.get(
    "/{name}/pull",
    summary="Read the last pull of a variant's weights",
    operation_id="variant_read_pull",
    responses=problems(PullNotFound, VariantMissing),
)
def read_pull(name: StorableText, session: ReadSessionValue) -> WeightPull:
    return WeightPull.of(_require_pull(session, _require(name)))


@router.delete(
    "/{name}/pull",
    summary="Cancel the pull of a variant's weights",
    operation_id="variant_cancel_pull",
    responses=problems(PullNotFound, VariantMissing),
)
def cancel(name: StorableText, caller: CallerValue, session: WriteSessionValue) -> WeightPull:
    """Stop the download and remove its unfinished file. A pull that has ended is returned as it is.

    Pulls belong to the server, so any key that may submit cancels one; the audit trail has it.
    """
    record = _require(name)
    cancelled = cancel_pull(session, record.name)
    row = _require_pull(session, record)
    if cancelled:
        actor = Actor.of_key(session, caller.key_id)
        write_audit(session, actor, Action.WEIGHTS_PULL_CANCELLED, caller.tenant_id, row.id, variant=record.name)
    return WeightPull.of(row)


def _require_pull(session: Session, record: VariantRecord) -> PullRow:
    row = session.scalars(select(PullRow).where(PullRow.variant == record.name)).one_or_none()
    if row is None:
        raise PullNotFound
    return row


def _require(name: str) -> VariantRecord:
    try:
        return get_variant(name)
    except VariantNotFound as error:
        raise VariantMissing(error.message) from error


def _viewer(session: Session, settings: Settings) -> Callable[[VariantRecord], Variant]:
    """Return a function that views a record; heartbeats are read once for all."""
    pools = WeightsOnPools(tuple(settings.pools), fresh_heartbeats(session))

    def view(record: VariantRecord) -> Variant:
        here = weights_here(record, settings.weights_dir)
        return Variant.of(record, settings.accept_licenses, here, pools.of(record.name, here))

    return view
