"""How a pull tells what it is doing; the CLI draws a bar, a server may log."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    def begin(self, what: str, total_bytes: int | None, done_bytes: int) -> None:
        """A transfer starts, at `done_bytes` where it goes on from an earlier one; the former transfer has ended."""
        ...

    def advance(self, count_bytes: int) -> None: ...

    def pinned(self, filename: str, sha256: str) -> None:
        """Nobody publishes this file's hash, so that of what came was written down: somebody should be told."""
        ...


class NoProgress:
    def begin(self, what: str, total_bytes: int | None, done_bytes: int) -> None:
        pass

    def advance(self, count_bytes: int) -> None:
        pass

    def pinned(self, filename: str, sha256: str) -> None:
        pass
