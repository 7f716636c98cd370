"""Waiting for exports."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from samfleet.client.client import SamfleetClient
from samfleet.errors import SamfleetError

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.2, 5.0


class ExportNotBuilt(SamfleetError):
    """The export failed."""

    code = "export_failed"


def wait_for_export(
    client: SamfleetClient, export: dict[str, Any], *, sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Return the export when it is completed. Raises `ExportNotBuilt` with the server's reason."""
    wait = FIRST_WAIT_SECONDS
    while export["state"] not in {"completed", "failed"}:
        sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)
        export = client.export(export["id"])
    if export["state"] == "failed":
        reason = export["error"] or {"message": "the server gives no reason", "code": ExportNotBuilt.code}
        raise ExportNotBuilt(f"export {export['id']} failed: {reason['message']} ({reason['code']})")
    return export
