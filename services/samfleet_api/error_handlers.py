"""Conversion of errors to responses. All error responses are built here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg import DataError as DriverDataError
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from samfleet.errors import SamfleetError, Unauthorized, Unavailable
from samfleet.logging import get_logger
from samfleet_api.problems import MEDIA_TYPE, FieldError, PayloadInvalid, Problem, ValueUnusable, problem_of
from samfleet_api.ranges import RangeNotSatisfiable

log = get_logger(__name__)

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
ROUTING_CODES = {404: "route_not_found", 405: "method_not_allowed"}
ROUTING_CODE = "http_error"  # for all other statuses of the framework


class DatabaseUnavailable(Unavailable):
    """The database does not respond; try again shortly."""

    code = "database_unavailable"


def add_error_handlers(app: FastAPI) -> None:
    app.exception_handler(SamfleetError)(_samfleet_error)
    app.exception_handler(RequestValidationError)(_validation_error)
    app.exception_handler(HTTPException)(_http_exception)
    for error in (OperationalError, InterfaceError, PoolTimeoutError):
        app.exception_handler(error)(_database_error)
    for unusable in (DataError, DriverDataError, UnicodeEncodeError):
        app.exception_handler(unusable)(_unusable_value)


def internal_error(request_id: str) -> JSONResponse:
    """Response to an unexpected exception: the log has the traceback under this id, the client gets no internals."""
    error = SamfleetError(f"an internal error occurred in samfleet; see the log for request {request_id}")
    return _response(problem_of(error))


def problem_response(error: SamfleetError, path: str) -> JSONResponse:
    """Response to an error outside of any route."""
    return _response(problem_of(error, path), dict(_headers(error)))


def _samfleet_error(request: Request, error: SamfleetError) -> JSONResponse:
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request.failed", code=error.code, reason=error.message, exc_info=error)
    return problem_response(error, request.url.path)


def _headers(error: SamfleetError) -> Iterator[tuple[str, str]]:
    if isinstance(error, Unauthorized):
        yield "WWW-Authenticate", "Bearer"
    if isinstance(error, RangeNotSatisfiable):
        yield "Content-Range", f"bytes */{error.size}"
    if error.retry_after_seconds is not None:
        yield "Retry-After", str(max(1, math.ceil(error.retry_after_seconds)))


def _validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
    findings = [
        FieldError(location=list(found["loc"]), message=found["msg"], type=found["type"]) for found in error.errors()
    ]
    first = findings[0]
    where = ".".join(str(part) for part in first.location)
    detail = PayloadInvalid(f"{where}: {first.message}" + (f" (and {len(findings) - 1} more)" * (len(findings) > 1)))
    return _response(problem_of(detail, request.url.path, findings))


def _http_exception(request: Request, error: HTTPException) -> JSONResponse:
    """Handle errors of Starlette and FastAPI. A 400 means an unreadable body; its cause may be a more precise error."""
    if isinstance(error.__cause__, SamfleetError):
        return _samfleet_error(request, error.__cause__)
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return _samfleet_error(request, PayloadInvalid(f"the body cannot be read: {error.detail}"))
    problem = Problem(
        title=HTTPStatus(error.status_code).phrase,
        status=error.status_code,
        code=ROUTING_CODES.get(error.status_code, ROUTING_CODE),
        detail=f"{request.method} {request.url.path}: {error.detail}; /docs lists the routes and their methods",
        instance=request.url.path,
    )
    headers = {"Allow": _allowed(request)} if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else error.headers
    return _response(problem, headers)


def _allowed(request: Request) -> str:
    """Collect the methods of all routes with this path: each route knows only its own."""
    routes = request.app.routes
    asked = ({**request.scope, "method": method} for method in METHODS)
    return ", ".join(
        scope["method"] for scope in asked if any(route.matches(scope)[0] is Match.FULL for route in routes)
    )


def _unusable_value(request: Request, error: Exception) -> JSONResponse:
    """Last resort: a value that only the database rejected. It is logged, because validation should have caught it with
    a precise message.
    """
    log.warning("request.value_unusable", exc_info=error)
    return problem_response(ValueUnusable(), request.url.path)


def _database_error(request: Request, error: Exception) -> JSONResponse:
    log.error("database.unavailable", exc_info=error)
    return _response(problem_of(DatabaseUnavailable(), request.url.path))


def _response(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(_encodable(problem.to_json()), problem.status, headers, media_type=MEDIA_TYPE)


def _encodable(value: Any) -> Any:
    """Escape lone surrogates, which UTF-8 cannot encode: errors quote the rejected input, which may have them."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {name: _encodable(item) for name, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list) else value
