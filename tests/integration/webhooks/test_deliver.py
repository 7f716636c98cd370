"""Deliveries to a real receiver, verified with the reference library of Standard Webhooks."""

from __future__ import annotations

import json
import socket
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from standardwebhooks import Webhook

from fixtures.servers.receiver import Receiver, close_early, receiving, reply
from fixtures.worker.webhook_rows import (
    DAY,
    LIMITS,
    add_endpoint,
    add_tenant,
    announce,
    attempts,
    deliveries,
    let_time_pass,
    reload_endpoint,
    run_pass,
    states,
)
from samfleet.db.models import DeliveryState, WebhookEndpoint, WebhookEvent
from samfleet.db.session import transaction
from samfleet.outbound.addresses import AddressPolicy
from samfleet.webhooks.deliver import deliver
from samfleet.webhooks.dispatch import dispatch_webhooks
from samfleet.webhooks.leases import MOST_AT_ONCE, Leased
from samfleet.webhooks.signatures import new_secret

MINUTE = timedelta(minutes=1)


@pytest.fixture
def tenant_id(engine: Engine) -> uuid.UUID:
    return add_tenant(engine)


@pytest.fixture
def endpoint(engine: Engine, tenant_id: uuid.UUID, receiver: Receiver) -> WebhookEndpoint:
    return add_endpoint(engine, tenant_id, receiver.url)


def test_a_message_verifies_and_is_logged(engine: Engine, endpoint: WebhookEndpoint, receiver: Receiver) -> None:
    event = announce(engine, endpoint.tenant_id, job_id="1")
    receiver.behave(reply(200, b"thanks\0"))
    assert run_pass(engine) == 1
    (got,) = receiver.requests
    message = Webhook(endpoint.secret).verify(got.body, got.headers)
    assert (message["type"], message["data"]) == ("job.completed", {"job_id": "1"})
    assert datetime.fromisoformat(message["timestamp"]) <= datetime.now(UTC)
    assert got.headers["webhook-id"] == event.message_id
    assert got.headers["content-type"] == "application/json"
    (logged,) = attempts(engine)
    assert (logged.status, logged.error_code, logged.reply) == (200, None, "thanks")
    assert states(engine) == [DeliveryState.DELIVERED]
    assert run_pass(engine) == 0


def test_a_failed_message_is_retried_with_its_id_and_a_new_timestamp(
    engine: Engine, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    announce(engine, endpoint.tenant_id)
    receiver.behave(reply(500, b"oops"), close_early, reply(302, Location="http://127.0.0.1:1/"), reply())
    for _ in range(4):
        assert run_pass(engine) == 1
        assert run_pass(engine) == 0  # not due yet
        let_time_pass(engine, MINUTE * 2)
    assert len(set(receiver.ids())) == 1
    for request in receiver.requests:
        Webhook(endpoint.secret).verify(request.body, request.headers)
    codes = [one.error_code for one in attempts(engine)]
    assert codes[0] == "status"
    assert codes[1] in {"reply_invalid", "connection_failed"}
    assert codes[2:] == ["redirected", None]
    assert attempts(engine)[0].reply == "oops"
    assert states(engine) == [DeliveryState.DELIVERED]


def test_a_message_fails_after_the_time_for_retries(
    engine: Engine, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    announce(engine, endpoint.tenant_id)
    receiver.behave(reply(503, Retry_After="3600"))
    assert run_pass(engine) == 1
    (one,) = deliveries(engine)
    assert timedelta(minutes=59) < one.due_at - one.created_at < timedelta(minutes=61)
    let_time_pass(engine, DAY - MINUTE)
    assert run_pass(engine) == 1
    assert states(engine) == [DeliveryState.FAILED]
    assert deliveries(engine)[0].finished_at is not None


def test_an_endpoint_that_only_fails_is_disabled_with_an_event(
    engine: Engine, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    with receiving() as healthy:
        other = add_endpoint(engine, endpoint.tenant_id, healthy.url, events=["webhook.disabled"])
        receiver.behave(reply(500))
        announce(engine, endpoint.tenant_id)
        run_pass(engine)
        let_time_pass(engine, 5 * DAY)
        announce(engine, endpoint.tenant_id)
        run_pass(engine)
        failing = reload_endpoint(engine, endpoint)
        assert (failing.enabled, failing.disabled_reason) == (False, "failing")
        assert run_pass(engine) == 1
        message = json.loads(healthy.requests[0].body)
    assert (message["type"], message["data"]["webhook_id"]) == ("webhook.disabled", str(endpoint.id))
    assert reload_endpoint(engine, other).enabled
    with transaction(engine) as session:
        assert session.get(WebhookEvent, uuid.UUID(healthy.ids()[0].removeprefix("msg_"))) is not None


def test_a_success_ends_the_count_of_failures(engine: Engine, endpoint: WebhookEndpoint, receiver: Receiver) -> None:
    receiver.behave(reply(500), reply())
    announce(engine, endpoint.tenant_id)
    run_pass(engine)
    assert reload_endpoint(engine, endpoint).failing_since is not None
    let_time_pass(engine, MINUTE)
    run_pass(engine)
    healthy = reload_endpoint(engine, endpoint)
    assert (healthy.failures, healthy.failing_since, healthy.not_before, healthy.enabled) == (0, None, None, True)


def test_a_receiver_that_is_gone_is_disabled_at_once(
    engine: Engine, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    receiver.behave(reply(410))
    announce(engine, endpoint.tenant_id)
    run_pass(engine)
    assert reload_endpoint(engine, endpoint).disabled_reason == "gone"
    assert states(engine) == [DeliveryState.FAILED]


def test_a_private_address_gets_no_request(engine: Engine, endpoint: WebhookEndpoint, receiver: Receiver) -> None:
    announce(engine, endpoint.tenant_id)
    (leased,) = dispatch_webhooks(engine, LIMITS).leased
    assert deliver(engine, leased, AddressPolicy.of(["10.0.0.0/8"]), LIMITS) == 1
    assert receiver.requests == []
    assert attempts(engine)[0].error_code == "address_forbidden"


def test_rotated_secrets_both_verify_until_the_end_of_the_old_one(
    engine: Engine, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    old, new = endpoint.secret, new_secret()
    with transaction(engine) as session:
        row = session.get_one(WebhookEndpoint, endpoint.id)
        row.secret, row.previous_secret, row.previous_secret_until = new, old, datetime.now(UTC) + MINUTE
    announce(engine, endpoint.tenant_id)
    run_pass(engine)
    let_time_pass(engine, MINUTE)
    announce(engine, endpoint.tenant_id)
    run_pass(engine)
    first, second = receiver.requests
    for secret in (old, new):
        Webhook(secret).verify(first.body, first.headers)
    Webhook(new).verify(second.body, second.headers)
    assert len(second.headers["webhook-signature"].split()) == 1


def test_a_healthy_endpoint_gets_all_messages_in_one_pass_and_a_failing_one_a_single_attempt(
    engine: Engine, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    for _ in range(5):
        announce(engine, endpoint.tenant_id)
    receiver.behave(reply(500))
    assert run_pass(engine) == 1
    let_time_pass(engine, MINUTE)
    receiver.behave(reply())
    assert run_pass(engine) == 5
    assert len(set(receiver.ids())) == 5


def test_a_tenant_has_one_lease_at_a_time_and_all_tenants_few(engine: Engine, receiver: Receiver) -> None:
    for _ in range(MOST_AT_ONCE + 1):
        tenant_id = add_tenant(engine)
        for _ in range(2):
            add_endpoint(engine, tenant_id, receiver.url)
        announce(engine, tenant_id)
    first = dispatch_webhooks(engine, LIMITS).leased
    assert len(first) == MOST_AT_ONCE
    assert dispatch_webhooks(engine, LIMITS).leased == []
    for leased in first:
        assert deliver(engine, leased, AddressPolicy.of(["127.0.0.0/8"]), LIMITS) == 1
    second = dispatch_webhooks(engine, LIMITS).leased
    assert {one.endpoint_id for one in second}.isdisjoint({one.endpoint_id for one in first})


def test_a_second_copy_of_a_task_does_nothing(engine: Engine, endpoint: WebhookEndpoint, receiver: Receiver) -> None:
    announce(engine, endpoint.tenant_id)
    (leased,) = dispatch_webhooks(engine, LIMITS).leased
    policy = AddressPolicy.of(["127.0.0.0/8"])
    assert [deliver(engine, leased, policy, LIMITS) for _ in range(2)] == [1, 0]
    assert deliver(engine, Leased(endpoint.id, uuid.uuid4()), policy, LIMITS) == 0
    assert len(receiver.requests) == 1


def test_a_stopping_worker_sends_nothing_more_and_frees_the_endpoint(
    engine: Engine, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    announce(engine, endpoint.tenant_id)
    assert run_pass(engine, stopping=lambda: True) == 0
    assert run_pass(engine) == 1


def test_an_endpoint_deleted_during_an_attempt_leaves_nothing(
    engine: Engine, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    def delete(connection: socket.socket, known: Receiver) -> None:
        with transaction(engine) as session:
            session.delete(session.get_one(WebhookEndpoint, endpoint.id))
        reply()(connection, known)

    announce(engine, endpoint.tenant_id)
    receiver.behave(delete)
    assert run_pass(engine) == 1
    assert deliveries(engine) == []
    assert attempts(engine) == []


def test_old_messages_are_swept_but_pending_ones_are_kept(
    engine: Engine, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    announce(engine, endpoint.tenant_id)
    run_pass(engine)
    let_time_pass(engine, 31 * DAY)
    pending = announce(engine, endpoint.tenant_id)
    swept = dispatch_webhooks(engine, LIMITS)
    assert (swept.failed, swept.deleted) == (0, 1)
    assert [one.event_id for one in deliveries(engine)] == [pending.id]
    assert attempts(engine) == []


def test_messages_of_a_disabled_endpoint_fail_when_their_time_is_over(
    engine: Engine, endpoint: WebhookEndpoint
) -> None:
    announce(engine, endpoint.tenant_id)
    with transaction(engine) as session:
        session.get_one(WebhookEndpoint, endpoint.id).enabled = False
    assert run_pass(engine) == 0
    let_time_pass(engine, DAY + MINUTE)
    assert dispatch_webhooks(engine, LIMITS).failed == 1
    assert states(engine) == [DeliveryState.FAILED]
