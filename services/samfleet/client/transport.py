"""HTTP transport: bearer authentication, problem+json as `ApiError`, and retries of idempotent requests."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from samfleet.errors import InvalidInput, SamfleetError, Unavailable
from samfleet.no_proxy import is_loopback

T = TypeVar("T")

TIMEOUT = httpx.Timeout(60.0, connect=5.0)  # a page of results or a batch of uploads takes well under a minute
RETRY_DELAYS_SECONDS = (0.2, 0.5, 1.0, 2.0)
LONGEST_WAITS_SECONDS = 300.0  # sum of all waits that the server's Retry-After requests
_WORTH_ANOTHER_TRY = {502, 503, 504}
_NEVER_REPEAT = {"prediction_timeout"}  # it has waited for a minute, and would again
# a wrong key stays wrong, and a job may take hours
_NEVER_WAIT_FOR = {"too_many_attempts", "too_many_open_jobs", "too_many_open_images"}


class ApiError(SamfleetError):
    """The API rejected the request."""

    code = "api_error"

    def __init__(
        self, problem_code: str, status: int, detail: str, *, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds)
        self.problem_code = problem_code
        self.status = status

    @property
    def is_temporary(self) -> bool:
        """True if the server, or a gateway before it, is temporarily unavailable."""
        return self.status in _WORTH_ANOTHER_TRY and self.problem_code not in _NEVER_REPEAT

    @property
    def wait_seconds(self) -> float | None:
        """Seconds to wait after the server rejected the request for its rate; None if waiting does not help."""
        if self.status != HTTPStatus.TOO_MANY_REQUESTS or self.problem_code in _NEVER_WAIT_FOR:
            return None
        return self.retry_after_seconds


class ApiUnreachable(Unavailable):
    """The API does not respond."""

    code = "api_unreachable"

    def __init__(self, api_url: str, reason: str) -> None:
        super().__init__(
            f"the API at {api_url} does not respond ({reason}); start one on this machine with `samfleet up`, "
            "or check --api-url and SAMFLEET_API_URL"
        )


class ApiUrlInvalid(InvalidInput):
    """The API's URL does not start with http:// or https://."""

    code = "api_url_invalid"


class Retries:
    """Decides whether a request is sent again after an error, and when.

    One that the server rejects for its rate is always repeated after the requested time, for up to five minutes in
    total: the server has not processed it.
    """

    def __init__(self, *, repeatable: bool) -> None:
        self._delays = iter(RETRY_DELAYS_SECONDS if repeatable else ())
        self._patience = LONGEST_WAITS_SECONDS

    def delay(self, error: ApiError | ApiUnreachable) -> float:
        """Return the seconds to wait before the next attempt. Raises the error if there is none."""
        wait = error.wait_seconds if isinstance(error, ApiError) else None
        if wait is not None and wait <= self._patience:
            self._patience -= wait
            return wait
        if isinstance(error, ApiError) and not error.is_temporary:
            raise error
        delay = next(self._delays, None)
        if delay is None:
            raise error
        return delay


@dataclass(frozen=True, slots=True)
class Part:
    """The pieces of a file from the byte `start`."""

    start: int
    pieces: Iterator[bytes]


def require_http(api_url: str) -> None:
    """Reject URLs without http(s). `localhost:8000` parses as the scheme `localhost`; httpx's error does not help."""
    parts = urlsplit(api_url)
    if parts.scheme not in {"http", "https"}:
        bare = "" if "://" in api_url else f"; did you mean http://{api_url}?"
        raise ApiUrlInvalid(f"the API's URL {api_url} starts neither with http:// nor with https://{bare}")


def trusted(api_url: str) -> ssl.SSLContext | bool:
    """Return httpx's `verify` for an API: True for https, and for http a context that trusts no certificate.

    httpx reads all trusted certificates for each client, which takes 50 ms of CPU time; http needs none of them.
    """
    return True if urlsplit(api_url).scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Transport:
    """Connection pool to one API."""

    def __init__(
        self,
        api_url: str,
        api_key: str,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        require_http(api_url)
        self.api_url = api_url.rstrip("/")
        self.sleep = sleep
        self._http = httpx.Client(
            base_url=self.api_url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=TIMEOUT,
            transport=transport,
            trust_env=not is_loopback(api_url),  # a proxy cannot reach this machine's loopback
            verify=trusted(api_url),
        )

    def close(self) -> None:
        self._http.close()

    def json(self, method: str, path: str, *, repeatable: bool, **request: Any) -> Any:
        """Return the decoded response. `repeatable` requests are repeated if the connection or a gateway fails."""
        return self.repeat(lambda: decoded(self.send(method, path, **request)), repeatable=repeatable)

    def repeat(self, attempt: Callable[[], T], *, repeatable: bool) -> T:
        """Return the result of `attempt`. An attempt that the server rejects for its rate is always repeated after the
        requested time, for up to five minutes in total: the server has not processed it.
        """
        retries = Retries(repeatable=repeatable)
        while True:
            try:
                return attempt()
            except (ApiUnreachable, ApiError) as error:
                delay = retries.delay(error)
            self.sleep(delay)

    @contextmanager
    def stream(self, path: str, **request: Any) -> Iterator[Iterator[bytes]]:
        """Yield the body of a GET in pieces. Raises the same errors as `json`, also if the connection breaks midway."""
        with mapped_failures(self.api_url), self._http.stream("GET", path, **request) as response:
            if response.is_error:
                response.read()
                raise refusal(response)
            yield response.iter_bytes()

    @contextmanager
    def stream_from(self, path: str, start: int, tag: str) -> Iterator[Part]:
        """Yield the body of a GET from the byte `start`, or all of it if the server has another file than `tag`.

        Raises like `stream`.
        """
        with mapped_failures(self.api_url), self._http.stream("GET", path, headers=resumed(start, tag)) as response:
            if response.is_error:
                response.read()
                raise refusal(response)
            is_part = response.status_code == HTTPStatus.PARTIAL_CONTENT
            yield Part(start if is_part else 0, response.iter_bytes())

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send one request without retries. A successful response may have no body."""
        with mapped_failures(self.api_url):
            response = self._http.request(method, path, **request)
        if response.is_error:
            raise refusal(response)
        return response


@contextmanager
def mapped_failures(api_url: str) -> Iterator[None]:
    """Raise errors of httpx's connections as `ApiUnreachable`."""
    try:
        yield
    except (httpx.RequestError, httpx.InvalidURL) as error:
        raise ApiUnreachable(api_url, str(error) or type(error).__name__) from error


def decoded(response: httpx.Response) -> Any:
    """Return the JSON of a response. Raises `ApiError` if it is not JSON."""
    try:
        return response.json()
    except ValueError as error:
        raise ApiError(
            "unexpected_answer",
            response.status_code,
            f"{response.request.url} did not return JSON; is --api-url the URL of a samfleet API?",
        ) from error


def resumed(start: int, tag: str) -> dict[str, str]:
    """Return headers of a GET from the byte `start`, or of everything if the server has another file than `tag`."""
    headers = {"Accept-Encoding": "identity"}
    return {**headers, "Range": f"bytes={start}-", "If-Range": tag} if start else headers


def refusal(response: httpx.Response) -> ApiError:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "code" not in problem:
        return ApiError(
            "unexpected_answer", response.status_code, f"{response.request.url} returned status {response.status_code}"
        )
    detail = str(problem.get("detail") or problem.get("title") or problem["code"])
    after = response.headers.get("Retry-After", "")
    return ApiError(
        str(problem["code"]),
        response.status_code,
        detail,
        retry_after_seconds=float(after) if after.isdecimal() else None,  # samfleet never sends the other form, a date
    )
