"""What the exit code of `samfleet` says; `docs/cli.md` repeats it for people who write scripts."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    OK = 0  # for `segment`, `demo` and `jobs follow`: every image succeeded
    ERROR = 1  # no connection, a refused request, a failed job
    USAGE = 2  # typer's own
    IMAGES_FAILED = 3  # the job is complete, and some of its images could not be segmented
    CANCELLED = 4  # the job was cancelled before it was complete
    INTERRUPTED = 130  # Ctrl-C; the job goes on
