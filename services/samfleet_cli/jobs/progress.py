"""Progress of a job on stderr: a live bar on a terminal, otherwise occasional lines."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self, TextIO

from samfleet.client.schemas import Dataset, Job
from samfleet.client.uploads import UploadProgress

LINE_INTERVAL_SECONDS = 5.0


class Display(Protocol):
    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def say(self, message: str) -> None: ...

    def listing(self, dataset: Dataset) -> None: ...

    def uploading(self, progress: UploadProgress) -> None: ...

    def job(self, job: Job) -> None: ...


def open_display(stream: TextIO) -> Display:
    return LiveDisplay(stream) if stream.isatty() else PlainDisplay(stream)


def describe_upload(progress: UploadProgress) -> str:
    had = f", {progress.skipped} of them not sent again" if progress.skipped else ""
    return f"{progress.files}/{progress.total_files} files{had}"


class PlainDisplay:
    """Display that writes a line after changes, at most every five seconds, and always the last one."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._shown_at = float("-inf")
        self._shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def say(self, message: str) -> None:
        self._stream.write(f"{message}\n")
        self._stream.flush()

    def listing(self, dataset: Dataset) -> None:
        self._show(describe_listing(dataset), last=False)

    def uploading(self, progress: UploadProgress) -> None:
        self._show(f"uploading: {describe_upload(progress)}", last=progress.files == progress.total_files)

    def job(self, job: Job) -> None:
        parts = (f"{job.state}: {describe(job)}", describe_stall(job))
        self._show(" · ".join(filter(None, parts)), last=job.is_over)

    def _show(self, line: str, *, last: bool) -> None:
        now = self._clock()
        if line != self._shown and (last or now - self._shown_at >= LINE_INTERVAL_SECONDS):
            self.say(line)
            self._shown, self._shown_at = line, now


class LiveDisplay:
    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            TimeElapsedColumn(),
            console=Console(file=stream, emoji=False),
        )
        self._listing = self._progress.add_task("listing", visible=False, total=None, text="")
        self._upload = self._progress.add_task("upload", visible=False, text="")
        self._stall = ""
        self._job = self._progress.add_task("segment", visible=False, total=None, text="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, message: str) -> None:
        self._progress.console.print(message, markup=False, highlight=False)

    def listing(self, dataset: Dataset) -> None:
        self._progress.update(self._listing, text=describe_listing(dataset), visible=True)

    def uploading(self, progress: UploadProgress) -> None:
        text = describe_upload(progress)
        self._progress.update(self._listing, visible=False)
        self._progress.update(
            self._upload, completed=progress.files, total=progress.total_files, text=text, visible=True
        )

    def job(self, job: Job) -> None:
        done = job.counts.succeeded + job.counts.failed + job.counts.in_progress
        if (stall := describe_stall(job)) != self._stall:  # on a separate line: the bar has no room for it
            self._stall = stall
            self.say(stall or "continues")
        self._progress.update(self._listing, visible=False)
        self._progress.update(
            self._job,
            description=job.state,
            completed=done,
            total=job.counts.total,
            text=describe(job),
            visible=True,
        )


def describe_listing(dataset: Dataset) -> str:
    if dataset.image_count:
        return f"the server lists the folder: {dataset.image_count} images written"
    return f"the server lists the folder: {dataset.listed} files and folders"


def describe(job: Job) -> str:
    """Describe progress: images done (including those not recorded yet), rate, time left and failures."""
    counts = job.counts
    parts = [f"{counts.succeeded + counts.failed + counts.in_progress}/{counts.total} images"]
    if job.images_per_second:
        parts.append(f"{job.images_per_second:.3g} images/s")
    if job.eta_seconds is not None and not job.is_over:
        parts.append(f"{timedelta(seconds=round(job.eta_seconds))} left")
    parts.append(f"{counts.failed} failed")
    return " · ".join(parts)


def describe_stall(job: Job) -> str:
    """Describe the cause of a stalled job; empty for other jobs."""
    if job.stalled is None or job.is_over:
        return ""
    since = job.stalled.since.astimezone().strftime("%H:%M:%S")
    return f"waiting since {since}: {job.stalled.message} ({job.stalled.code})"
