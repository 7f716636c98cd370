"""Notices of three clouds, from a local HTTP server that answers as their metadata services do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import create_engine
from structlog.testing import capture_logs

from fixtures.worker.worker_services import make_services
from samfleet_worker.bootstrap import Services
from samfleet_worker.spot_notice import SpotNotice
from samfleet_worker.triton.memory_segmenter import MemorySegmenter

TOKEN = "a-token"
EVENT = {"Events": [{"EventType": "Preempt", "Resources": ["vm-1"]}]}
OTHER = {"Events": [{"EventType": "Reboot", "Resources": ["vm-1"]}]}

# By cloud: the path, the header that it requires, and the bodies before and after the notice (None: 404).
SERVED: dict[str, tuple[str, tuple[str, str], str | None, str]] = {
    "aws": (
        "/latest/meta-data/spot/instance-action",
        ("X-aws-ec2-metadata-token", TOKEN),
        None,
        '{"action": "terminate", "time": "2026-01-01T00:02:00Z"}',
    ),
    "gcp": ("/computeMetadata/v1/instance/preempted", ("Metadata-Flavor", "Google"), "FALSE", "TRUE"),
    "azure": ("/metadata/scheduledevents", ("Metadata", "true"), json.dumps(OTHER), json.dumps(EVENT)),
}


@contextmanager
def metadata_of(cloud: str, noticed: threading.Event) -> Iterator[str]:
    path, (header, wanted), before, after = SERVED[cloud]

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self._reply(TOKEN if self.path == "/latest/api/token" and cloud == "aws" else None)

        def do_GET(self) -> None:
            known = self.path.partition("?")[0] == path and self.headers[header] == wanted
            self._reply((after if noticed.is_set() else before) if known else None)

        def _reply(self, body: str | None) -> None:
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write((body or "").encode())

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def services() -> Services:
    return make_services(create_engine("postgresql+psycopg://"), MemorySegmenter())  # never connects


@pytest.mark.usefixtures("dead_proxy")
@pytest.mark.parametrize("cloud", SERVED)
def test_the_notice_stops_the_worker_once(cloud: str, services: Services) -> None:
    noticed, stops = threading.Event(), []
    with metadata_of(cloud, noticed) as url:
        notice = SpotNotice(services, cloud, lambda: stops.append(True), url)
        notice.look()
        assert (services.stopping.is_set(), stops) == (False, [])
        noticed.set()
        notice.look()
        notice.look()
    assert (services.stopping.is_set(), stops) == (True, [True])


@pytest.mark.parametrize("cloud", SERVED)
def test_a_metadata_service_of_another_cloud_stops_nothing_and_is_reported_once(cloud: str, services: Services) -> None:
    other = "gcp" if cloud == "azure" else "azure"
    noticed = threading.Event()
    noticed.set()
    with metadata_of(other, noticed) as url, capture_logs() as logged:
        notice = SpotNotice(services, cloud, lambda: None, url)
        notice.look()
        notice.look()
    assert not services.stopping.is_set()
    assert [line["event"] for line in logged] == ["spot.not_asked"]
