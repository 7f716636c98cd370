"""OpenTelemetry traces over OTLP and HTTP; imported only if traces are configured.

Besides our endpoint, the SDK reads the variables of its specification: OTEL_EXPORTER_OTLP_HEADERS,
OTEL_TRACES_SAMPLER, OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_* and the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import requests
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from samfleet.no_proxy import is_loopback
from samfleet.spans import Attribute, SpanKind

KINDS: Mapping[SpanKind, trace.SpanKind] = {
    "internal": trace.SpanKind.INTERNAL,
    "server": trace.SpanKind.SERVER,
    "client": trace.SpanKind.CLIENT,
    "producer": trace.SpanKind.PRODUCER,
    "consumer": trace.SpanKind.CONSUMER,
}


class OtelSpan:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, **attributes: Attribute) -> None:
        self._span.set_attributes(_named(attributes))

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, reason: str) -> None:
        self._span.set_status(trace.Status(trace.StatusCode.ERROR, reason))


class OtelTracer:
    """A tracer with a separate provider, so other users of OpenTelemetry in the process keep theirs."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("samfleet")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def span(
        self, name: str, kind: SpanKind, parent: Mapping[str, str] | None, attributes: Mapping[str, Attribute]
    ) -> Iterator[OtelSpan]:
        context = self._propagator.extract(parent) if parent else None
        with self._tracer.start_as_current_span(
            name, context=context, kind=KINDS[kind], attributes=_named(attributes)
        ) as span:
            yield OtelSpan(span)

    def headers(self) -> dict[str, str]:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier

    def close(self) -> None:
        self._provider.shutdown()


def otlp_tracer(endpoint: str, service: str) -> OtelTracer:
    """Return a tracer that sends spans to the collector at `endpoint`.

    A thread sends them in batches. While the collector is down, spans are dropped and the log says so.
    """
    resource = Resource.create({"service.name": service, "service.namespace": "samfleet"})
    provider = TracerProvider(resource=resource)  # sends the remaining spans when the process exits
    session = requests.Session()
    session.trust_env = not is_loopback(endpoint)  # a proxy cannot reach this machine's loopback
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", session=session)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return OtelTracer(provider)


def _named(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {name.replace("__", "."): value for name, value in attributes.items()}
