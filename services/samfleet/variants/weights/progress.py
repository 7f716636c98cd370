"""Progress of a pull: the CLI draws a bar, a server may log."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    def begin(self, what: str, total_bytes: int | None, done_bytes: int) -> None:
        """Start a transfer, at `done_bytes` if it resumes an earlier one; the previous transfer has ended."""
        ...

    def advance(self, count_bytes: int) -> None: ...

    def pinned(self, filename: str, sha256: str) -> None:
        """Report that the hash of a received file was pinned, because none is published: a person should know."""
        ...


class NoProgress:
    def begin(self, what: str, total_bytes: int | None, done_bytes: int) -> None:
        pass

    def advance(self, count_bytes: int) -> None:
        pass

    def pinned(self, filename: str, sha256: str) -> None:
        pass
