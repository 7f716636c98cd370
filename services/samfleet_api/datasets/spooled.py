"""Bodies of requests that are a file, spooled to disk while they arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import IO, Literal

from fastapi import Request

from samfleet.config import Settings
from samfleet.datasets.prompt_formats.uploaded import LabelFormat
from samfleet.errors import TooLarge
from samfleet_api.bodies import spooled_body
from samfleet_api.dependencies import SettingsValue, TenantId

PromptsFormat = Literal["jsonl"] | LabelFormat


def spooled(
    subject: str, too_large: type[TooLarge], most_bytes: Callable[[Settings], int]
) -> Callable[..., AsyncIterator[IO[bytes]]]:
    """Return a dependency that gives the body. `subject` begins the message of `too_large`: "the manifest has"."""

    async def body(request: Request, settings: SettingsValue, _tenant: TenantId) -> AsyncIterator[IO[bytes]]:
        limit = most_bytes(settings)
        error = too_large(f"{subject} more than {limit} bytes, the most this server accepts")
        async with spooled_body(request, limit, error) as file:
            yield file

    return body


def of_annotations(settings: Settings) -> int:
    return settings.max_annotations_bytes
