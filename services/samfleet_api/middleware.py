"""Middleware of every request: request id, log line, metrics, span, and the response to unexpected exceptions."""

from __future__ import annotations

import re
import time
import uuid
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from samfleet import metrics
from samfleet.logging import CORRELATION_ID, get_logger
from samfleet.spans import Span
from samfleet.tracing import span
from samfleet_api.error_handlers import internal_error

REQUEST_ID = "X-Request-ID"
PROBES = frozenset(
    {"/healthz", "/metrics", "/readyz"}
)  # requested every few seconds: successes are logged at debug level
METHODS = frozenset(
    {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
)  # bounds the label's values: a client may send any method
IDS = frozenset({"dataset_id", "job_id", "run_id"})  # path parameters that the log includes
TRACE_HEADERS = ("traceparent", "tracestate")
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")  # it is copied to logs and task headers

log = get_logger(__name__)


class RequestLog:
    """Use the client's `X-Request-ID` or create one, bind it for all log lines and tasks, and return it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID, "")
        request_id = given if _ACCEPTABLE_ID.fullmatch(given) else uuid.uuid4().hex
        method = scope["method"] if scope["method"] in METHODS else "other"
        parent = {name: headers[name] for name in TRACE_HEADERS if name in headers}
        with (
            bound_contextvars(**{CORRELATION_ID: request_id}),
            metrics.HTTP_IN_PROGRESS.track_inprogress(),
            span(method, kind="server", parent=parent, http__request__method=method, request_id=request_id) as traced,
        ):
            await self._watched(traced, request_id, method, scope, receive, send)

    async def _watched(
        self, traced: Span, request_id: str, method: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
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
                raise  # half of the response was sent: the server must close the connection, or it would look complete
            await internal_error(request_id)(scope, receive, send_with_id)
        finally:
            _tell(traced, scope, method, status, time.perf_counter() - started)


def _tell(traced: Span, scope: Scope, method: str, status: int | None, seconds: float) -> None:
    """Record a finished request. Without a response, because the client disconnected, its status is `none`."""
    route = route_template(scope)
    metrics.HTTP_REQUESTS.labels(method, route, str(status or "none")).inc()
    metrics.HTTP_DURATION.labels(method, route).observe(seconds)
    traced.rename(f"{method} {route}")
    traced.set(http__route=route, http__response__status_code=status or 0)
    if status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        traced.fail(f"status {status}")
    tell = log.debug if scope["path"] in PROBES and status == HTTPStatus.OK else log.info
    tell(
        "request.finished",
        method=scope["method"],
        path=scope["path"],
        status=status,
        duration_ms=round(seconds * 1000, 1),
        **{name: str(value) for name, value in scope.get("path_params", {}).items() if name in IDS},
    )


def route_template(scope: Scope) -> str:
    """Return the declared path of the route, not the requested one: each id would create a time series."""
    template: str | None = getattr(scope.get("route"), "path", None)
    return template or "unmatched"
