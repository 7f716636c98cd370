"""Headers of every response."""

from __future__ import annotations

from collections.abc import Sequence

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
                _tell_allowances(headers, scope.get("state", {}).get("allowances", ()))
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def _tell_allowances(headers: MutableHeaders, allowances: Sequence[Allowance]) -> None:
    """Add the fields of draft-ietf-httpapi-ratelimit-headers, and the three of its versions before 07.

    These have room for one limit: the one that refused the request, or else the one with the fewest requests left.
    """
    if allowances:
        policies = (f'"{one.policy}";q={one.limit};w={WINDOW_SECONDS}' for one in allowances)
        headers["RateLimit-Policy"] = ", ".join(policies)
        headers["RateLimit"] = ", ".join(
            f'"{one.policy}";r={one.remaining};t={one.reset_seconds}' for one in allowances
        )
        tightest = min(allowances, key=lambda one: (one.accepted, one.remaining))
        headers["RateLimit-Limit"] = str(tightest.limit)
        headers["RateLimit-Remaining"] = str(tightest.remaining)
        headers["RateLimit-Reset"] = str(tightest.reset_seconds)
