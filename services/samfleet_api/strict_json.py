"""Strict JSON (RFC 8259): Python's parser also accepts NaN and infinities, and reads 1e999 as infinity."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from samfleet_api.problems import PayloadInvalid


class StrictJsonRoute(APIRoute):
    """Route class for requests with JSON bodies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return handle_strictly


class _StrictRequest(Request):
    async def json(self) -> Any:
        return strict_json(await self.body())


def strict_json(text: bytes) -> Any:
    """Parse JSON. Raises `PayloadInvalid` for numbers that JSON lacks, and ValueError for other faults."""
    return json.loads(text, parse_float=_finite, parse_constant=_refuse)


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)


def _refuse(number: str) -> float:
    raise PayloadInvalid(f"the body has the number {number[:40]}, which JSON or a 64-bit float cannot represent")
