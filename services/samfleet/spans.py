"""Interfaces of tracing: a span, and the tracer that opens spans."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Literal, Protocol

SpanKind = Literal["internal", "server", "client", "producer", "consumer"]
Attribute = str | int | float | bool


class Span(Protocol):
    def set(self, **attributes: Attribute) -> None:
        """Set attributes by their OpenTelemetry names, with `__` for each dot: `http__route="/v1/jobs"`."""
        ...

    def rename(self, name: str) -> None: ...

    def fail(self, reason: str) -> None:
        """Mark the span as failed; an exception that leaves it does so automatically."""
        ...


class Tracer(Protocol):
    def span(
        self, name: str, kind: SpanKind, parent: Mapping[str, str] | None, attributes: Mapping[str, Attribute]
    ) -> AbstractContextManager[Span]: ...

    def headers(self) -> dict[str, str]: ...

    def close(self) -> None:
        """Send the remaining spans."""
        ...
