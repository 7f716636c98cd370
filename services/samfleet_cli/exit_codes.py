"""Exit codes of `samfleet`, documented for scripts in `docs/cli.md`."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    OK = 0  # for `segment`, `demo` and `jobs follow`: all images succeeded
    ERROR = 1  # no connection, a rejected request, a failed job
    USAGE = 2  # typer's code
    IMAGES_FAILED = 3  # the job has results, but some of its images or runs failed
    CANCELLED = 4  # the job was cancelled before it was complete
    NOTHING_RECOMMENDED = 5  # `advise`: no measurement meets all constraints
    CHECK_FAILED = 6  # `report check`: a measurement breaks a rule
    NOTHING_COMPARABLE = 7  # `report check`: no measurement can be checked
    INTERRUPTED = 130  # Ctrl-C; the job continues
