"""Headers of every response."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samfleet_api.rates import WINDOW_SECONDS, Allowance

API = "/v1/"


class AnswerHeaders:
    """Add `nosniff` to all responses. Responses of the API also get `no-store`, unless their route sets
    `Cache-Control`. Responses to counted requests, also to refused ones, say how many requests remain.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                if scope["path"].startswith(API):
                    headers.setdefault("Cache-Control", "no-store")
                _tell_allowance(headers, scope.get("state", {}).get("allowance"))
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def _tell_allowance(headers: MutableHeaders, allowance: Allowance | None) -> None:
    """Add the fields of draft-ietf-httpapi-ratelimit-headers, and the three of its versions before 07."""
    if allowance is not None:
        headers["RateLimit-Policy"] = f'"key";q={allowance.limit};w={WINDOW_SECONDS}'
        headers["RateLimit"] = f'"key";r={allowance.remaining};t={allowance.reset_seconds}'
        headers["RateLimit-Limit"] = str(allowance.limit)
        headers["RateLimit-Remaining"] = str(allowance.remaining)
        headers["RateLimit-Reset"] = str(allowance.reset_seconds)
