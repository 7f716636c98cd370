"""Events, written in the transaction of the change that they report: none is lost, and none reports a rolled-back one.

An event gets one delivery for each endpoint of its tenant that wants its type. If there is none, nothing is written.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from samfleet.db.models import Job, JobState, Run, RunState, WebhookDelivery, WebhookEndpoint, WebhookEvent
from samfleet.webhooks.payloads import event_body, job_data, run_data

TEST = "webhook.test"  # requested by a user
DISABLED = "webhook.disabled"  # sent to the tenant's other endpoints


def add_job_event(session: Session, job: Job, before: JobState) -> None:
    """Write the event of a job's new state."""
    add_event(session, job.tenant_id, f"job.{job.state.value}", partial(job_data, session, job, before))


def add_run_event(session: Session, run: Run, before: RunState) -> None:
    """Write the event of a run's new state."""
    tenant_id = session.get_one(Job, run.job_id).tenant_id
    add_event(session, tenant_id, f"run.{run.state.value}", partial(run_data, run, before))


def add_event(
    session: Session, tenant_id: uuid.UUID, event_type: str, data: Callable[[], Mapping[str, Any]]
) -> WebhookEvent | None:
    """Write an event for the endpoints that want its type; return None if there is none. Calls `data` only for one.

    The endpoints stay locked against deletion until the end of the transaction: a deletion in between would make it
    fail.
    """
    wants = or_(func.cardinality(WebhookEndpoint.events) == 0, WebhookEndpoint.events.contains([event_type]))
    wanting = select(WebhookEndpoint.id).where(WebhookEndpoint.tenant_id == tenant_id, WebhookEndpoint.enabled, wants)
    endpoints = session.scalars(wanting.order_by(WebhookEndpoint.id).with_for_update(read=True, key_share=True)).all()
    return add_for(session, tenant_id, event_type, data(), endpoints) if endpoints else None


def add_for(
    session: Session, tenant_id: uuid.UUID, event_type: str, data: Mapping[str, Any], endpoints: Sequence[uuid.UUID]
) -> WebhookEvent:
    """Write an event and its deliveries to these endpoints."""
    event = WebhookEvent(id=uuid.uuid4(), tenant_id=tenant_id, type=event_type, body=event_body(event_type, data))
    session.add(event)
    session.flush()
    session.add_all(WebhookDelivery(endpoint_id=endpoint_id, event_id=event.id) for endpoint_id in endpoints)
    session.flush()
    return event
