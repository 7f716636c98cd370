"""The only place where an error becomes a response."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from samfleet.errors import SamfleetError, Unauthorized, Unavailable
from samfleet.logging import get_logger
from samfleet_api.problems import MEDIA_TYPE, FieldError, PayloadInvalid, Problem, problem_of

log = get_logger(__name__)

ROUTING_CODES = {404: "route_not_found", 405: "method_not_allowed"}
ROUTING_CODE = "http_error"  # for whatever else the framework may raise


class DatabaseUnavailable(Unavailable):
    """The database does not answer; try again shortly."""

    code = "database_unavailable"


def add_error_handlers(app: FastAPI) -> None:
    app.exception_handler(SamfleetError)(_samfleet_error)
    app.exception_handler(RequestValidationError)(_validation_error)
    app.exception_handler(HTTPException)(_http_exception)
    for error in (OperationalError, InterfaceError, PoolTimeoutError):
        app.exception_handler(error)(_database_error)


def internal_error(request_id: str) -> JSONResponse:
    """For what nobody foresaw: the log has the traceback under this id, the client gets no internals."""
    error = SamfleetError(f"something went wrong inside samfleet; the log has it as request {request_id}")
    return _response(problem_of(error))


def _samfleet_error(request: Request, error: SamfleetError) -> JSONResponse:
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request.failed", code=error.code, reason=error.message, exc_info=error)
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorized) else None
    return _response(problem_of(error, request.url.path), headers)


def _validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
    findings = [
        FieldError(location=list(found["loc"]), message=found["msg"], type=found["type"]) for found in error.errors()
    ]
    first = findings[0]
    where = ".".join(str(part) for part in first.location)
    detail = PayloadInvalid(f"{where}: {first.message}" + (f" (and {len(findings) - 1} more)" * (len(findings) > 1)))
    return _response(problem_of(detail, request.url.path, findings))


def _http_exception(request: Request, error: HTTPException) -> JSONResponse:
    """Starlette's and FastAPI's own; a 400 is a body that could not be read, and its cause may know better."""
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
    return _response(problem, error.headers)


def _database_error(request: Request, error: Exception) -> JSONResponse:
    log.error("database.unavailable", exc_info=error)
    return _response(problem_of(DatabaseUnavailable(), request.url.path))


def _response(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(problem.to_json(), problem.status, headers, media_type=MEDIA_TYPE)
