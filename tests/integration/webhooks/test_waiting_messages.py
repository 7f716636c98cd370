from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from fixtures.worker.webhook_rows import add_endpoint, add_tenant, announce, let_time_pass
from samfleet.db.session import read_only, transaction
from samfleet_api.metrics.repository import WaitingMessages, waiting_messages

URL = "https://example.com/"
SECONDS = 30.0  # the time that a statement may take on a busy machine


def measured(engine: Engine) -> WaitingMessages:
    with read_only(engine) as session:
        return waiting_messages(session)


def change(engine: Engine, statement: str) -> None:
    with transaction(engine) as session:
        session.execute(text(statement))


def test_without_messages_everything_is_zero(engine: Engine) -> None:
    add_endpoint(engine, add_tenant(engine), URL)
    assert measured(engine) == WaitingMessages(0, 0.0, 0.0)


def test_the_oldest_message_counts_and_one_in_backoff_is_not_overdue(engine: Engine) -> None:
    tenant = add_tenant(engine)
    add_endpoint(engine, tenant, URL)
    announce(engine, tenant)
    let_time_pass(engine, timedelta(hours=1))
    announce(engine, tenant)
    waiting = measured(engine)
    assert waiting.messages == 2
    assert waiting.oldest == pytest.approx(3600, abs=SECONDS)
    assert waiting.overdue == pytest.approx(3600, abs=SECONDS)
    change(engine, "UPDATE webhook_endpoints SET not_before = now() + interval '1 minute'")
    assert measured(engine).oldest == pytest.approx(3600, abs=SECONDS)
    assert measured(engine).overdue == 0.0


def test_messages_of_disabled_webhooks_and_ended_ones_do_not_count(engine: Engine) -> None:
    tenant = add_tenant(engine)
    add_endpoint(engine, tenant, URL)
    announce(engine, tenant)
    change(engine, "UPDATE webhook_endpoints SET enabled = false")
    assert measured(engine).messages == 0
    change(engine, "UPDATE webhook_endpoints SET enabled = true")
    assert measured(engine).messages == 1
    change(engine, "UPDATE webhook_deliveries SET state = 'delivered'")
    assert measured(engine).messages == 0
