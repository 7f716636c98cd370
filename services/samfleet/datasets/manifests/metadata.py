"""Metadata of a manifest's line: a JSON object of the user, kept with the image."""

from __future__ import annotations

import json
from typing import Any

from samfleet.datasets.manifests.errors import ManifestInvalid

MAX_METADATA_BYTES = 4096  # as JSON; a million images have at most 4 GB


def metadata_of(number: int, given: Any) -> dict[str, Any] | None:
    """Return the metadata of a line; a text, as CSV has, is parsed. Raises `ManifestInvalid`, which names the line."""
    if given is None or given == "":
        return None
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError) as error:
            raise ManifestInvalid(f"line {number}: metadata is not valid JSON ({error}); write an object") from None
    if not isinstance(given, dict):
        raise ManifestInvalid(f'line {number}: metadata is not an object; write {{"camera": "left"}}')
    try:
        text = json.dumps(given, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError):  # a date of a table, NaN or a lone surrogate
        raise ManifestInvalid(
            f"line {number}: metadata has NaN, an infinite number, half a surrogate pair, too many levels or a value "
            "that JSON lacks; remove it"
        ) from None
    if "\\u0000" in text.replace("\\\\", ""):
        raise ManifestInvalid(f"line {number}: metadata has a NUL character; remove it")
    if size > MAX_METADATA_BYTES:
        raise ManifestInvalid(
            f"line {number}: metadata has {size} bytes as JSON, more than {MAX_METADATA_BYTES}; shorten it"
        )
    return given
