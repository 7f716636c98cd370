"""Progress display for downloads of weights."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars


class PullProgress:
    """Progress bars on stderr, one per transfer."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True, emoji=False),
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, what: str, total_bytes: int | None, done_bytes: int) -> None:
        if self._task is not None and not self._bars.tasks[self._task].finished:
            self._bars.update(self._task, visible=False)  # interrupted; the new bar continues from there
        self._task = self._bars.add_task(f"{self._name}: {what}", total=total_bytes, completed=done_bytes)

    def pinned(self, filename: str, sha256: str) -> None:
        self._bars.console.print(
            f"{self._name}: no hash of {filename} is published. The downloaded file has sha256 {sha256}, which is now "
            "pinned: different files will be rejected. Compare the hash with an independent source before you rely on "
            "it.",
            style="bold yellow",
            soft_wrap=True,
        )

    def advance(self, count_bytes: int) -> None:
        if self._task is not None:
            self._bars.advance(self._task, count_bytes)
