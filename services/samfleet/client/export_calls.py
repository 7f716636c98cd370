from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from samfleet.client.calls import PIECE_BYTES, Calls, without_none
from samfleet.errors import SamfleetError

EXPORTS = "/v1/exports"


class DownloadDamaged(SamfleetError):
    """The downloaded file is not the one that the server has; download it again."""

    code = "download_damaged"


def _path(export_id: str, *more: str) -> str:
    return "/".join((EXPORTS, quote(export_id, safe=""), *more))


def _of_run(run_id: str) -> str:
    return f"/v1/runs/{quote(run_id, safe='')}/exports"


class ExportCalls(Calls):
    """Calls of exports."""

    def export_formats(self) -> dict[str, Any]:
        """Return the formats as `items`, and the `options` that all of them take."""
        answer: dict[str, Any] = self._get("/v1/export-formats")
        return answer

    def create_export(
        self, run_id: str, form: str, options: Mapping[str, Any], *, keep_days: int | None = None
    ) -> dict[str, Any]:
        """Request an export. The server returns the same export for an equal request, so it is repeated if it fails."""
        body = {"format": form, "options": dict(options), **without_none({"keep_days": keep_days})}
        answer: dict[str, Any] = self._transport.json("POST", _of_run(run_id), repeatable=True, json=body)
        return answer

    def exports(self, run_id: str) -> Iterator[dict[str, Any]]:
        """Yield the exports of a run, newest first."""
        return self._items(_of_run(run_id))

    def export(self, export_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._get(_path(export_id))
        return answer

    def delete_export(self, export_id: str) -> None:
        self._delete(_path(export_id))

    def download_export(self, export: Mapping[str, Any], path: Path) -> None:
        """Download the file of a completed export and compare its SHA-256. Raises `DownloadDamaged`.

        What an interrupted download has written stays beside `path`, and the next call continues there.
        """
        partial = path.with_name(f".{path.name}.{export['sha256'][:12]}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
        if partial.stat().st_size > export["bytes"]:
            partial.write_bytes(b"")
        self._transport.repeat(lambda: self._continue(export, partial), repeatable=True)
        if _sha256(partial) != export["sha256"]:
            partial.unlink()
            raise DownloadDamaged(f"the file of export {export['id']} arrived damaged; download it again")
        partial.replace(path)

    def _continue(self, export: Mapping[str, Any], partial: Path) -> None:
        """Download what the partial file lacks."""
        held = partial.stat().st_size
        if held == export["bytes"]:
            return
        tag = f'"{export["sha256"]}"'
        with partial.open("r+b") as file, self._transport.stream_from(_path(export["id"], "file"), held, tag) as part:
            file.seek(part.start)
            file.truncate()
            for piece in part.pieces:
                file.write(piece)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
