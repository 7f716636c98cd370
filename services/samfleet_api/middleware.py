"""Around every request: its id, its line in the log, the answer to what nobody foresaw, the limit of its body."""

from __future__ import annotations

import re
import time
import uuid
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from samfleet.logging import CORRELATION_ID, get_logger
from samfleet_api.bodies import limited
from samfleet_api.error_handlers import internal_error

REQUEST_ID = "X-Request-ID"
PROBES = frozenset({"/healthz", "/readyz"})  # asked every few seconds: their good answers are no news
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")  # goes into logs and task headers

log = get_logger(__name__)


class RequestLog:
    """Takes a caller's `X-Request-ID` or makes one, binds it for all log lines and tasks, and sends it back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _ACCEPTABLE_ID.fullmatch(given) else uuid.uuid4().hex
        with bound_contextvars(**{CORRELATION_ID: request_id}):
            await self._logged(request_id, scope, receive, send)

    async def _logged(self, request_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        status: int | None = None
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            log.exception("request.crashed", method=scope["method"], path=scope["path"])
            if status is not None:
                raise  # half an answer is out: the server must cut the connection, or it would look whole
            await internal_error(request_id)(scope, receive, send_with_id)
        finally:
            tell = log.debug if scope["path"] in PROBES and status == HTTPStatus.OK else log.info
            tell(
                "request.finished",
                method=scope["method"],
                path=scope["path"],
                status=status,
                duration_ms=round((time.perf_counter() - started) * 1000, 1),
            )


class BodyLimit:
    """Limits the bodies that FastAPI itself reads into memory, before it knows who sends them: JSON by POST.
    Uploads are read by dependencies, behind the key and with limits of their own.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and not _is_multipart(scope):
            receive = limited(receive, self._max_bytes)
        await self._app(scope, receive, send)


def _is_multipart(scope: Scope) -> bool:
    return Headers(scope=scope).get("Content-Type", "").startswith("multipart/")
