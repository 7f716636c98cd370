"""Progress of a pull: the CLI draws a bar, a server may log."""

from __future__ import annotations

from typing import Protocol

from samfleet.errors import Conflict


class PullCancelled(Conflict):
    """The pull was cancelled."""

    code = "pull_cancelled"


class Progress(Protocol):
    """Calls that a pull makes while it works. `begin` and `advance` may raise `PullCancelled` to end it; the pull then
    removes what it has received.
    """

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
