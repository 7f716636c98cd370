"""Limits per client: bodies, requests, streams and threads."""

from __future__ import annotations

import asyncio
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from fixtures.api.no_tls import NO_TLS
from fixtures.api.running_api import Api, Parts, Tenant, api_settings, serve
from fixtures.worker.recorded_jobs import new_job
from samfleet_api.app import create_app
from samfleet_api.bodies import STREAMED
from samfleet_api.dependencies import TenantId
from samfleet_api.jobs import watching
from samfleet_api.long_requests import long_running

ID = uuid.UUID(int=0)
Server = Callable[..., httpx.Client]


@pytest.fixture
def server(api: Api, tenant: Tenant, tmp_path: Path) -> Iterator[Server]:
    """Start a server with other settings on the tests' database, and return a client for it."""
    with ExitStack() as stack:

        def start(add_routes: Callable[[FastAPI], None] | None = None, **settings: Any) -> httpx.Client:
            changed = api_settings(tmp_path).model_copy(update=settings)
            app = create_app(changed, parts=Parts(api.engine, api.store))
            if add_routes:
                add_routes(app)
            url = stack.enter_context(serve(app))
            headers = {"Authorization": f"Bearer {tenant.key}"}
            return stack.enter_context(httpx.Client(base_url=url, headers=headers, timeout=30, verify=NO_TLS))

        yield start


@pytest.mark.parametrize("media_type", ["application/json", "multipart/x", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/jobs"),
        ("POST", "/v1/datasets"),
        ("POST", "/dashboard/session"),
        ("POST", f"/v1/datasets/{ID}/seal"),
        ("PUT", f"/v1/hardware/{ID}/price"),
        ("PUT", f"/v1/datasets/{ID}/images"),
        ("PATCH", "/v1/jobs"),
        ("DELETE", "/v1/sites/x"),
        ("POST", "/nowhere"),
    ],
)
def test_a_body_above_the_limit_is_refused(api: Api, method: str, path: str, media_type: str) -> None:
    answer = httpx.request(method, api.url + path, content=b" " * (2**20 + 1), headers={"Content-Type": media_type})
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/datasets", "/dashboard/session"])
def test_a_body_of_unknown_size_is_read_up_to_the_limit(api: Api, path: str) -> None:
    chunks = (b" " * 2**16 for _ in range(20))
    answer = httpx.post(api.url + path, content=chunks, headers={"Content-Type": "multipart/x"})
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize(("method", "path"), STREAMED)
def test_an_upload_without_a_key_is_refused_before_it_is_read(api: Api, method: str, path: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    url = api.url + path.format(dataset_id=ID)
    answer = httpx.request(method, url, headers=headers, content=b" " * (2**20 + 1))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_only_routes_with_a_streamed_body_accept_larger_bodies(api: Api) -> None:
    described = {
        (method.upper(), path)
        for path, methods in api.app.openapi()["paths"].items()
        for method, operation in methods.items()
        if (body := operation.get("requestBody"))
        and ("$ref" not in str(body) or "multipart/form-data" in body["content"])
    }
    assert described == set(STREAMED)


def test_a_compressed_body_is_refused(tenant: Tenant) -> None:
    answer = tenant.http.post("/v1/jobs", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (415, "content_encoding_unsupported")


def test_headers_have_a_limit(api: Api) -> None:
    try:
        status = httpx.get(f"{api.url}/healthz", headers={"X-Long": "x" * 2**17}).status_code
    except httpx.TransportError:  # the server closed with headers unread, before its response was seen
        status = 400
    assert status == 400
    assert httpx.get(f"{api.url}/healthz", headers={"X-Long": "x" * 2**15}).status_code == 200


def test_forms_have_a_limit_of_parts_and_of_headers(tenant: Tenant) -> None:
    dataset = tenant.http.post("/v1/datasets", json={"source": "upload"}).json()["id"]
    path = f"/v1/datasets/{dataset}/images"
    many = [("files", (f"{number}.png", b"x")) for number in range(1001)]
    assert tenant.http.post(path, files=many).json()["code"] == "payload_invalid"
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="'
    form = head + b"a" * 100_000 + b'"\r\n\r\nx\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert tenant.http.post(path, content=form, headers=headers).json()["code"] == "payload_invalid"


def test_a_form_cannot_choose_the_encoding_of_names(tenant: Tenant) -> None:
    dataset = tenant.http.post("/v1/datasets", json={"source": "upload"}).json()["id"]
    form = b'--x\r\nContent-Disposition: form-data; name="files"; filename="ab.png"\r\n\r\nx\r\n--x--\r\n'
    for charset, status in (("utf-16", 422), ("UTF-8", 201)):
        headers = {"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"}
        answer = tenant.http.post(f"/v1/datasets/{dataset}/images", content=form, headers=headers)
        assert answer.status_code == status
    assert answer.json()["items"][0]["file_name"] == "ab.png"


def test_requests_per_minute_are_limited_per_key(server: Server) -> None:
    client = server(requests_per_minute=3)
    answers = [client.get("/v1/jobs") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers.get("RateLimit-Remaining") for answer in answers] == ["2", "1", "0", "0"]
    assert answers[0].headers["RateLimit-Limit"] == "3"
    assert answers[3].json()["code"] == "rate_limited"
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 20
    uncounted = client.get("/healthz")
    assert uncounted.status_code == 200
    assert not any(name.startswith("ratelimit") for name in uncounted.headers)


def test_counted_answers_have_the_fields_of_rate_limits(server: Server) -> None:
    client = server(requests_per_minute=3)
    answers = [client.get(path) for path in ("/v1/jobs", f"/v1/jobs/{ID}", "/v1/keys", "/v1/jobs")]
    assert [answer.status_code for answer in answers] == [200, 404, 403, 429]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"key";q=3;w=60'}
    fields = [re.fullmatch(r'"key";r=(\d+);t=(\d+)', answer.headers["RateLimit"]) for answer in answers]
    remaining, reset = zip(*((int(field[1]), int(field[2])) for field in fields if field), strict=True)
    assert remaining == (2, 1, 0, 0)
    assert [answer.headers["RateLimit-Reset"] for answer in answers] == [str(seconds) for seconds in reset]
    assert reset[0] == 20
    assert 20 < reset[1] <= 40 < reset[2] <= 60
    assert str(reset[3]) == answers[3].headers["Retry-After"]  # a refused client learns when to come back


def test_requests_without_a_valid_key_are_not_counted(server: Server) -> None:
    client = server(requests_per_minute=3)
    refused = client.get("/v1/jobs", headers={"Authorization": "Bearer wrong"})
    assert refused.status_code == 401
    assert "RateLimit" not in refused.headers


def test_event_streams_are_limited_per_key(server: Server, tenant: Tenant, folder: Path) -> None:
    client = server(event_streams_per_key=2)
    path = f"/v1/jobs/{new_job(tenant, folder)['id']}/events"
    with ExitStack() as streams:
        for _ in range(2):
            assert streams.enter_context(client.stream("GET", path)).status_code == 200
        refused = client.get(path)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_event_streams")
    assert refused.headers["Retry-After"] == "5"


def test_streams_are_limited_per_process_and_released_when_closed() -> None:
    streams = watching.EventStreams(most=2, most_of_one=2)
    with streams.place("a"), streams.place("b"), pytest.raises(watching.TooManyEventStreams), streams.place("c"):
        pass
    with streams.place("c"), streams.place("c"):
        pass


def test_all_followers_share_one_database_query(api: Api, tenant: Tenant, folder: Path) -> None:
    job_id = uuid.UUID(new_job(tenant, folder)["id"])

    async def follow() -> tuple[int, int]:
        watched = watching.WatchedJobs(api.engine, interval_seconds=0.2)

        async def one() -> int:
            return len([seen async for seen in watched.follow(job_id, seconds=1.0)])

        return sum(await asyncio.gather(*(one() for _ in range(60)))), watched.looks

    told, looks = asyncio.run(follow())
    assert told == 60
    assert looks <= 7  # one per 0.2 s, not 60


def test_hanging_requests_do_not_block_other_tenants(server: Server, other_tenant: Tenant) -> None:
    release, started = threading.Event(), threading.Semaphore(0)

    def hang(_tenant: TenantId) -> str:
        started.release()
        release.wait(60)
        return "at last"

    def quick(_tenant: TenantId) -> str:
        return "now"

    def add_routes(app: FastAPI) -> None:
        app.get("/v1/hang")(long_running(hang))
        app.get("/v1/quick")(long_running(quick))

    client = server(add_routes, long_requests=4, long_request_wait=timedelta(seconds=0.5))
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(client.get("/v1/hang").status_code)) for _ in range(40)]
    for thread in threads:
        thread.start()
    assert started.acquire(timeout=20)
    assert started.acquire(timeout=20)
    assert client.get("/healthz").status_code == 200
    assert client.get("/v1/jobs").status_code == 200
    refused = client.get("/v1/quick")
    assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (503, "too_busy", "5")
    other = {"Authorization": f"Bearer {other_tenant.key}"}
    assert client.get("/v1/quick", headers=other).json() == "now"
    release.set()
    for thread in threads:
        thread.join(timeout=30)
    assert set(answers) == {200, 503}
    assert client.get("/v1/quick").json() == "now"
