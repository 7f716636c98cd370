"""Download of an export's file: continued where it stopped, and compared with its SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samfleet.client.routes.exports import export_path
from samfleet.client.steps import Download, Pause, Steps
from samfleet.client.transport import ApiError, ApiUnreachable, Retries
from samfleet.client.values import PIECE_BYTES
from samfleet.errors import SamfleetError


class DownloadDamaged(SamfleetError):
    """The downloaded file is not the one that the server has; download it again."""

    code = "download_damaged"


def download_export(export: Mapping[str, Any], path: Path) -> Steps[None]:
    """Download the file of a completed export and compare its SHA-256. Raises `DownloadDamaged`.

    What an interrupted download has written stays beside `path`, and the next call continues there.
    """
    partial = path.with_name(f".{path.name}.{export['sha256'][:12]}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.touch()
    if partial.stat().st_size > export["bytes"]:
        partial.write_bytes(b"")
    retries = Retries(repeatable=True)
    while (held := partial.stat().st_size) != export["bytes"]:
        try:
            yield Download(export_path(export["id"], "file"), partial, held, f'"{export["sha256"]}"')
        except (ApiUnreachable, ApiError) as error:
            delay = retries.delay(error)
        else:
            break
        yield Pause(delay, is_retry=True)
    if _sha256(partial) != export["sha256"]:
        partial.unlink()
        raise DownloadDamaged(f"the file of export {export['id']} arrived damaged; download it again")
    partial.replace(path)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
