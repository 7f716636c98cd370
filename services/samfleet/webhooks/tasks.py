"""Names of the tasks of webhooks; both run in the control workers."""

from __future__ import annotations

from enum import StrEnum


class WebhookTask(StrEnum):
    DISPATCH = "webhooks.dispatch"  # ()
    DELIVER = "webhooks.deliver"  # (endpoint id, lease)
