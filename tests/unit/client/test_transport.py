from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from ssl import CERT_REQUIRED, SSLContext

import httpx
import pytest

from samfleet.client.transport import (
    LONGEST_WAITS_SECONDS,
    RETRY_DELAYS_SECONDS,
    ApiError,
    ApiUnreachable,
    Transport,
    trusted,
)

Answer = Callable[[httpx.Request], httpx.Response]


def transport(answer: Answer, slept: list[float] | None = None) -> Transport:
    sleep = (slept if slept is not None else []).append
    return Transport("http://api.test/", "the-key", transport=httpx.MockTransport(answer), sleep=sleep)


def problem(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"type": "about:blank", "title": "No", "code": code, "detail": "do this"})


def test_the_key_is_sent_as_bearer() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://api.test/v1/jobs"
        return httpx.Response(200, json={"authorization": request.headers["Authorization"]})

    assert transport(answer).json("GET", "/v1/jobs", repeatable=True) == {"authorization": "Bearer the-key"}


def test_a_problem_becomes_an_api_error() -> None:
    with pytest.raises(ApiError, match="do this") as caught:
        transport(lambda _request: problem(422, "variant_unknown")).json("GET", "/v1/jobs", repeatable=True)
    assert (caught.value.problem_code, caught.value.status) == ("variant_unknown", 422)


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(500, text="<html>proxy</html>"),
        httpx.Response(200, text="<html>hello</html>"),
        httpx.Response(404, json=["x"]),
    ],
    ids=["error page", "page", "json of another server"],
)
def test_a_response_of_another_server_is_reported_as_such(response: httpx.Response) -> None:
    with pytest.raises(ApiError, match=r"http://api\.test/v1/jobs") as caught:
        transport(lambda _request: response).json("GET", "/v1/jobs", repeatable=False)
    assert caught.value.problem_code == "unexpected_answer"


def test_a_lost_connection_is_retried_only_for_idempotent_requests() -> None:
    requests: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request.method)
        raise httpx.ConnectError("refused")

    slept: list[float] = []
    with pytest.raises(ApiUnreachable, match="samfleet up"):
        transport(answer, slept).json("GET", "/v1/jobs", repeatable=True)
    assert len(requests) == 1 + len(RETRY_DELAYS_SECONDS)
    assert slept == list(RETRY_DELAYS_SECONDS)

    requests.clear()
    with pytest.raises(ApiUnreachable):
        transport(answer, slept).json("POST", "/v1/datasets", repeatable=False)
    assert requests == ["POST"]


def test_gateway_errors_are_retried_and_refusals_are_not() -> None:
    answers = [problem(503, "broker_unavailable"), problem(502, "bad_gateway"), httpx.Response(200, json=1)]
    assert transport(lambda _request: answers.pop(0)).json("GET", "/v1/jobs", repeatable=True) == 1

    refusals = [problem(404, "job_not_found")]
    with pytest.raises(ApiError):
        transport(lambda _request: refusals.pop(0)).json("GET", "/v1/jobs", repeatable=True)


def limited(code: str, seconds: int | str) -> httpx.Response:
    answer = problem(429, code)
    answer.headers["Retry-After"] = str(seconds)
    return answer


def test_rate_limits_are_waited_out_even_for_requests_that_are_not_idempotent() -> None:
    answers = [limited("rate_limited", 7), limited("rate_limited", 2), httpx.Response(201, json=1)]
    slept: list[float] = []
    assert transport(lambda _request: answers.pop(0), slept).json("POST", "/v1/datasets", repeatable=False) == 1
    assert slept == [7, 2]


def test_waiting_for_a_rate_limit_is_bounded() -> None:
    slept: list[float] = []
    with pytest.raises(ApiError) as caught:
        transport(lambda _request: limited("rate_limited", 60), slept).json("GET", "/v1/jobs", repeatable=True)
    assert caught.value.problem_code == "rate_limited"
    assert sum(slept) == LONGEST_WAITS_SECONDS


@pytest.mark.parametrize(
    "answer",
    [
        limited("too_many_attempts", 5),
        limited("too_many_open_jobs", 30),
        limited("too_many_open_images", 30),
        limited("rate_limited", "Sat, 28 Nov 2026 07:28:00 GMT"),
        problem(429, "rate_limited"),
    ],
    ids=["wrong key", "open jobs", "open images", "a date", "no time"],
)
def test_a_refusal_that_waiting_cannot_resolve_is_raised_at_once(answer: httpx.Response) -> None:
    slept: list[float] = []
    with pytest.raises(ApiError, match="do this"):
        transport(lambda _request: answer, slept).json("GET", "/v1/jobs", repeatable=True)
    assert slept == []


class BreaksOff(httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        yield b"[1,"
        raise httpx.ReadError("connection lost")


def test_a_broken_stream_raises_the_unreachable_error() -> None:
    broken = transport(lambda _request: httpx.Response(200, stream=BreaksOff()))
    with pytest.raises(ApiUnreachable, match="connection lost"), broken.stream("/results") as pieces:
        list(pieces)


def test_a_refused_stream_raises_its_problem() -> None:
    refused = transport(lambda _request: problem(404, "run_not_found"))
    with pytest.raises(ApiError, match="do this"), refused.stream("/results"):
        pass


def test_proxies_of_the_environment_do_not_apply_to_loopback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    local, remote = Transport("http://127.0.0.1:1", "key"), Transport("http://api.test", "key")
    assert (local._http.trust_env, remote._http.trust_env) == (False, True)
    local.close()
    remote.close()


@pytest.mark.parametrize("url", ["https://api.test", "HTTPS://127.0.0.1:8443"])
def test_https_is_verified_with_the_trusted_certificates(url: str) -> None:
    assert trusted(url) is True


@pytest.mark.parametrize("url", ["http://api.test", "http://127.0.0.1:8000", "HTTP://api.test"])
def test_http_reads_no_certificates_and_would_trust_none(url: str) -> None:
    context = trusted(url)
    assert isinstance(context, SSLContext)
    assert (context.cert_store_stats()["x509"], context.verify_mode) == (0, CERT_REQUIRED)
