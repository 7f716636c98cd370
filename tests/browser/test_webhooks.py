from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from fixtures.api.running_api import Api, Tenant
from fixtures.servers.receiver import Receiver, reply
from fixtures.worker.webhook_rows import run_pass

pytestmark = pytest.mark.browser


def test_a_test_message_is_sent_and_replayed(api: Api, tenant: Tenant, page: Page, receiver: Receiver) -> None:
    created = tenant.http.post("/v1/webhooks", json={"url": receiver.url}).json()
    page.goto("/dashboard/webhooks")
    expect(page.get_by_text("Nothing was sent yet.")).to_be_visible()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("not sent yet")).to_be_visible()
    receiver.behave(reply(503), reply())
    run_pass(api.engine)
    page.reload()
    expect(page.get_by_text("the reply was 503")).to_be_visible()
    with page.expect_response(lambda answer: answer.request.method == "POST" and answer.ok):
        page.get_by_role("button", name="Send again").click()
    expect(page.get_by_role("cell", name="pending")).to_be_visible()
    run_pass(api.engine)
    page.reload()
    expect(page.get_by_role("cell", name="delivered")).to_be_visible()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("button", name="Enable")).to_be_visible()
    assert tenant.http.delete(f"/v1/webhooks/{created['id']}").status_code == 204
