"""HTTP transport of the asynchronous client. Errors, limits and retries are those of `transport`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from samfleet.client.transport import TIMEOUT, mapped_failures, refusal, require_http, resumed, trusted
from samfleet.no_proxy import is_loopback


@dataclass(frozen=True, slots=True)
class AsyncPart:
    """The pieces of a file from the byte `start`."""

    start: int
    pieces: AsyncIterator[bytes]


class AsyncTransport:
    """Connection pool to one API, for one event loop."""

    def __init__(
        self,
        api_url: str,
        api_key: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        require_http(api_url)
        self.api_url = api_url.rstrip("/")
        self.sleep = sleep
        self._http = httpx.AsyncClient(
            base_url=self.api_url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=TIMEOUT,
            transport=transport,
            trust_env=not is_loopback(api_url),  # a proxy cannot reach this machine's loopback
            verify=trusted(api_url),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send one request without retries. A successful response may have no body."""
        if "content" in request:
            request["content"] = _piecewise(request["content"])
        with mapped_failures(self.api_url):
            response = await self._http.request(method, path, **request)
        if response.is_error:
            raise refusal(response)
        return response

    @asynccontextmanager
    async def stream(self, path: str, **request: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield the body of a GET in pieces. Raises the same errors as `send`, also if the connection breaks midway."""
        with mapped_failures(self.api_url):
            async with self._http.stream("GET", path, **request) as response:
                if response.is_error:
                    await response.aread()
                    raise refusal(response)
                yield response.aiter_bytes()

    @asynccontextmanager
    async def stream_from(self, path: str, start: int, tag: str) -> AsyncIterator[AsyncPart]:
        """Yield the body of a GET from the byte `start`, or all of it if the server has another file than `tag`."""
        with mapped_failures(self.api_url):
            async with self._http.stream("GET", path, headers=resumed(start, tag)) as response:
                if response.is_error:
                    await response.aread()
                    raise refusal(response)
                is_part = response.status_code == HTTPStatus.PARTIAL_CONTENT
                yield AsyncPart(start if is_part else 0, response.aiter_bytes())


async def _piecewise(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Make a body of httpx's asynchronous client, which takes no plain iterator."""
    for piece in pieces:
        yield piece
