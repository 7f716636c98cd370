"""Errors of samfleet.

SamfleetError
├── InvalidInput            422, the payload or a file is wrong; never retried
├── NotFound                404
├── Conflict                409, the state forbids it
├── Unauthorized            401
├── Forbidden               403
├── TooLarge                413
├── TooManyRequests         429, retry later
└── Unavailable             503, a part is down; retry

Every error has a stable `code`, an HTTP `status_code` and `retryable`: a retry can succeed. Subclasses are defined
next to the code that raises them. The docstring is the default message; it says what was wrong and what to do.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import ClassVar

MOST_DESCRIBED = 300  # characters of a foreign error message


class SamfleetError(Exception):
    """Something went wrong inside samfleet."""

    code: ClassVar[str] = "internal_error"
    status_code: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str | None = None, *, retry_after_seconds: float | None = None) -> None:
        self.message = message or cleandoc(type(self).__doc__ or type(self).__name__)
        self.retry_after_seconds = retry_after_seconds  # the API sends it as `Retry-After`
        super().__init__(self.message)


def describe(error: Exception) -> str:
    """Describe an unexpected error by its type and the first line of its message.

    Clients may read the text and PostgreSQL can store it: it has no SQL statements, parameters or paths. The log has
    the whole error.
    """
    message = error.strerror if isinstance(error, OSError) else str(error)
    line = "".join(filter(str.isprintable, (message or "").partition("\n")[0]))[:MOST_DESCRIBED]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


class InvalidInput(SamfleetError):
    """The input is not valid."""

    code = "invalid_input"
    status_code = 422


class NotFound(SamfleetError):
    """The requested object does not exist."""

    code = "not_found"
    status_code = 404


class Conflict(SamfleetError):
    """The current state does not allow this."""

    code = "conflict"
    status_code = 409


class Unauthorized(SamfleetError):
    """Send a valid API key as `Authorization: Bearer <key>`."""

    code = "unauthorized"
    status_code = 401


class Forbidden(SamfleetError):
    """This is not allowed here."""

    code = "forbidden"
    status_code = 403


class TooLarge(SamfleetError):
    """The payload is larger than this server accepts."""

    code = "too_large"
    status_code = 413


class TooManyRequests(SamfleetError):
    """Too many requests; wait and try again."""

    code = "too_many_requests"
    status_code = 429
    retryable = True


class Unavailable(SamfleetError):
    """A part of the system does not answer; try again shortly."""

    code = "unavailable"
    status_code = 503
    retryable = True
