from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from fixtures.worker.collected_spans import traced
from samfleet.otel import otlp_tracer
from samfleet.tracing import TracingNotInstalled, configure_tracing, install_tracer, span, trace_headers

ROOT = Path(__file__).resolve().parents[2]

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01"}


def test_disabled_tracing_needs_no_package_and_creates_no_span() -> None:
    program = (
        "import sys\n"
        "sys.modules |= {'opentelemetry.sdk': None, 'opentelemetry.exporter': None}  # as without the extra\n"
        "import samfleet_api.app, samfleet_worker.factory\n"
        "from samfleet.tracing import configure_tracing, span, trace_headers\n"
        "configure_tracing(None, 'api')\n"
        "assert span('a', kind='server') is span('b', parent={'traceparent': 'x'}, http__route='/')\n"
        "with span('a') as made: made.set(x=1); made.fail('x'); assert trace_headers() == {}\n"
        "assert 'samfleet.otel' not in sys.modules\n"
    )
    path = os.pathsep.join(str(ROOT / folder) for folder in ("services", "worker", "triton_models"))
    subprocess.run((sys.executable, "-c", program), env={**os.environ, "PYTHONPATH": path}, check=True, timeout=60)


def test_spans_nest_and_carry_their_attributes() -> None:
    with traced() as finished:
        with span("request", kind="server", parent=CALLER, http__request__method="GET") as outer:
            outer.rename("GET /v1/jobs")
            with span("inner"):
                inside = trace_headers()["traceparent"]
            outer.fail("status 500")
        inner, request = finished()
    assert (request.name, request.kind.name) == ("GET /v1/jobs", "SERVER")
    assert f"{request.context.trace_id:032x}" == TRACE_ID
    assert f"{request.parent.span_id:016x}" == SPAN_ID
    assert request.attributes == {"http.request.method": "GET"}
    assert request.status.is_ok is False
    assert inner.parent.span_id == request.context.span_id
    assert inside == f"00-{TRACE_ID}-{inner.context.span_id:016x}-01"


def test_an_exception_marks_its_span_as_failed() -> None:
    with traced() as finished:
        with pytest.raises(ValueError, match="broken"), span("work"):
            raise ValueError("broken")
        (work,) = finished()
    assert not work.status.is_ok
    assert work.events[0].attributes["exception.type"] == "ValueError"


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A receiver of OTLP over HTTP: its address, and (path, body) of the received requests."""
    came: list[tuple[str, bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", came
        server.shutdown()
        thread.join()


def test_spans_arrive_at_a_collector_over_http() -> None:
    with collector() as (endpoint, came):
        tracer = otlp_tracer(f"{endpoint}/", "worker")
        former = install_tracer(tracer)
        try:
            with span("jobs.plan", kind="consumer", parent=CALLER, job_id="j1"):
                pass
        finally:
            install_tracer(former)
            tracer.close()
    ((path, body),) = came
    assert path == "/v1/traces"
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert (names["service.name"], names["service.namespace"]) == ("worker", "samfleet")
    (sent,) = resource.scope_spans[0].spans
    assert (sent.name, sent.kind, sent.trace_id.hex()) == ("jobs.plan", WireSpan.SPAN_KIND_CONSUMER, TRACE_ID)


@pytest.mark.usefixtures("dead_proxy")
def test_a_collector_on_this_machine_is_reached_without_a_proxy() -> None:
    with collector() as (endpoint, came):
        tracer = otlp_tracer(endpoint, "worker")
        with tracer.span("jobs.plan", "internal", None, {}):
            pass
        tracer.close()
    assert [path for path, _ in came] == ["/v1/traces"]


def test_enabled_tracing_without_its_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "samfleet.otel", None)
    with pytest.raises(TracingNotInstalled, match=r"samfleet\[otel\]"):
        configure_tracing("http://127.0.0.1:1", "api")
