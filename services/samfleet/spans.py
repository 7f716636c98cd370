"""Interfaces of tracing: a span of work, and the tracer that opens spans."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Literal, Protocol

SpanKind = Literal["internal", "server", "client", "producer", "consumer"]
Attribute = str | int | float | bool


class Span(Protocol):
    def set(self, **attributes: Attribute) -> None:
        """Attributes by their OpenTelemetry names, with `__` for each dot: `http__route="/v1/jobs"`."""
        ...

    def rename(self, name: str) -> None: ...

    def fail(self, reason: str) -> None:
        """Mark as failed; an exception that leaves the span does so by itself."""
        ...


class Tracer(Protocol):
    def span(
        self, name: str, kind: SpanKind, parent: Mapping[str, str] | None, attributes: Mapping[str, Attribute]
    ) -> AbstractContextManager[Span]: ...

    def headers(self) -> dict[str, str]: ...

    def close(self) -> None:
        """Send what is still to be sent."""
        ...
