from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from samfleet.client.calls import Calls
from samfleet.client.values import without_none

WEBHOOKS = "/v1/webhooks"


def _path(webhook_id: str, *more: str) -> str:
    return "/".join((WEBHOOKS, quote(webhook_id, safe=""), *more))


class WebhookCalls(Calls):
    """Calls of webhooks."""

    def create_webhook(self, url: str, **fields: Any) -> dict[str, Any]:
        """Create a webhook. `secret` in the result verifies signatures; no other response has it."""
        answer: dict[str, Any] = self._post(WEBHOOKS, without_none({"url": url, **fields}))
        return answer

    def webhooks(self) -> Iterator[dict[str, Any]]:
        return self._items(WEBHOOKS)

    def update_webhook(self, webhook_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._patch(_path(webhook_id), without_none(changes))
        return answer

    def delete_webhook(self, webhook_id: str) -> None:
        self._delete(_path(webhook_id))

    def rotate_webhook_secret(self, webhook_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._post(_path(webhook_id, "secret"), None)
        return answer

    def send_webhook_test(self, webhook_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._post(_path(webhook_id, "test"), None)
        return answer

    def webhook_deliveries(self, webhook_id: str) -> Iterator[dict[str, Any]]:
        return self._items(_path(webhook_id, "deliveries"))

    def replay_delivery(self, webhook_id: str, delivery_id: str) -> dict[str, Any]:
        path = _path(webhook_id, "deliveries", quote(delivery_id, safe=""), "replay")
        answer: dict[str, Any] = self._post(path, None)
        return answer

    def replay_webhook(self, webhook_id: str, since: str, *, failed_only: bool) -> int:
        """Send messages since a time again. Returns their number."""
        return int(self._post(_path(webhook_id, "replay"), {"since": since, "failed_only": failed_only})["replayed"])
