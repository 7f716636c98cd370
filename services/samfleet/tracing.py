"""Traces: spans from the HTTP request over the queue to Triton, where SAMFLEET_OTLP_ENDPOINT asks for them.

Without it the SDK is not imported, and a span is one call that returns the same empty context manager.
`samfleet.otel` has the implementation, whose packages come with the extra `otel`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from samfleet.errors import InvalidInput
from samfleet.spans import Attribute, Span, SpanKind, Tracer


class TracingNotInstalled(InvalidInput):
    """SAMFLEET_OTLP_ENDPOINT is set, but OpenTelemetry is not installed; run `pip install 'samfleet[otel]'`."""

    code = "tracing_not_installed"


class NoSpan:
    def set(self, **attributes: Attribute) -> None: ...

    def rename(self, name: str) -> None: ...

    def fail(self, reason: str) -> None: ...


class NoTracer:
    _nothing: AbstractContextManager[Span] = nullcontext(NoSpan())

    def span(
        self,
        _name: str,
        _kind: SpanKind,
        _parent: Mapping[str, str] | None,
        _attributes: Mapping[str, Attribute],
    ) -> AbstractContextManager[Span]:
        return self._nothing

    def headers(self) -> dict[str, str]:
        return {}

    def close(self) -> None: ...


class _Process:
    """What this process traces with, as `structlog.configure` is what it logs with."""

    tracer: Tracer = NoTracer()


def configure_tracing(endpoint: str | None, service: str) -> None:
    """Trace to the collector at `endpoint` as `service`, or not at all; called once per process."""
    if not endpoint:  # a compose file sets what is unset to nothing
        return
    try:
        from samfleet.otel import otlp_tracer
    except ModuleNotFoundError as error:
        raise TracingNotInstalled from error
    install_tracer(otlp_tracer(endpoint, service))


def install_tracer(tracer: Tracer) -> Tracer:
    """Trace with this one from now on; the former one."""
    former, _Process.tracer = _Process.tracer, tracer
    return former


def span(
    name: str,
    *,
    kind: SpanKind = "internal",
    parent: Mapping[str, str] | None = None,
    **attributes: Attribute,
) -> AbstractContextManager[Span]:
    """A span around a block. `parent` are the headers of whoever sent this work; without them it is the span around."""
    return _Process.tracer.span(name, kind, parent, attributes)


def trace_headers() -> dict[str, str]:
    """W3C `traceparent` (and `tracestate`) of the current span, for those who are asked to do something; or nothing."""
    return _Process.tracer.headers()
