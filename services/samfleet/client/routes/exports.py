from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from samfleet.client.steps import Call, Pages
from samfleet.client.values import unchanged, without_none


def export_path(export_id: str, *more: str) -> str:
    return "/".join(("/v1/exports", quote(export_id, safe=""), *more))


def _of_run(run_id: str) -> str:
    return f"/v1/runs/{quote(run_id, safe='')}/exports"


def export_formats() -> Call[dict[str, Any]]:
    """Return the formats as `items`, and the `options` that all of them take."""
    return Call("GET", "/v1/export-formats", unchanged)


def create_export(
    run_id: str, form: str, options: Mapping[str, Any], *, keep_days: int | None = None
) -> Call[dict[str, Any]]:
    """Request an export. The server returns the same export for an equal request, so it is repeated if it fails."""
    body = {"format": form, "options": dict(options), **without_none({"keep_days": keep_days})}
    return Call("POST", _of_run(run_id), unchanged, {"json": body})


def estimate_export(run_id: str, form: str, options: Mapping[str, Any]) -> Call[dict[str, Any]]:
    """Return the size of an export before it is built: `bytes`, and `exact` if it is no estimate."""
    return Call("POST", f"{_of_run(run_id)}/estimate", unchanged, {"json": {"format": form, "options": dict(options)}})


def exports(run_id: str) -> Pages[dict[str, Any]]:
    """Yield the exports of a run, newest first."""
    return Pages(_of_run(run_id), unchanged)


def export(export_id: str) -> Call[dict[str, Any]]:
    """Return an export."""
    return Call("GET", export_path(export_id), unchanged)


def delete_export(export_id: str) -> Call[None]:
    """Delete an export and its file."""
    return Call("DELETE", export_path(export_id), unchanged, response="empty")
