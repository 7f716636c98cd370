"""Traces: spans from the HTTP request through the queue to Triton, if SAMFLEET_OTLP_ENDPOINT is set.

Without it the SDK is not imported, and a span is one call that returns the same empty context manager.
`samfleet.otel` has the implementation; its packages come with the extra `otel`.
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
    """Tracer of this process, global like the configuration of structlog."""

    tracer: Tracer = NoTracer()


def configure_tracing(endpoint: str | None, service: str) -> None:
    """Trace to the collector at `endpoint` as `service`; without an endpoint do nothing. Call once per process."""
    if not endpoint:  # a compose file sets unset variables to empty ones
        return
    try:
        from samfleet.otel import otlp_tracer
    except ModuleNotFoundError as error:
        raise TracingNotInstalled from error
    install_tracer(otlp_tracer(endpoint, service))


def install_tracer(tracer: Tracer) -> Tracer:
    """Trace with this tracer from now on; return the former one."""
    former, _Process.tracer = _Process.tracer, tracer
    return former


def span(
    name: str,
    *,
    kind: SpanKind = "internal",
    parent: Mapping[str, str] | None = None,
    **attributes: Attribute,
) -> AbstractContextManager[Span]:
    """Open a span around a block.

    `parent` has the trace headers of the sender of the work; without them the current span is the parent.
    """
    return _Process.tracer.span(name, kind, parent, attributes)


def trace_headers() -> dict[str, str]:
    """Return W3C `traceparent` and `tracestate` of the current span, to send with a request; empty without tracing."""
    return _Process.tracer.headers()
