"""Progress of a survey on stderr: a live table on a terminal, otherwise a line for each measurement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from samfleet.client.schemas import Job
from samfleet_cli.jobs.progress import describe, describe_stall
from samfleet_cli.survey.cells import Cell
from samfleet_cli.survey.state import OVER, CellState, SurveyState

if TYPE_CHECKING:
    from rich.table import Table


class PlainProgress:
    """Progress in lines, for files and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._counts = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def say(self, message: str) -> None:
        self._stream.write(f"{message}\n")
        self._stream.flush()

    def show(self, cells: Sequence[Cell], state: SurveyState, _jobs: Sequence[tuple[Cell, Job]]) -> None:
        over = sum(state.cell(cell.key).status in OVER for cell in cells)
        self._counts = f"[{over}/{len(cells)}] "

    def over(self, cell: Cell, state: CellState) -> None:
        self.say(f"{self._counts}{cell.key}: {_outcome(state)}")


class LiveProgress:
    """A table with a row for each task and dataset, redrawn while the survey runs."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=stream, emoji=False)
        self._live = Live(console=self._console, refresh_per_second=4, transient=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, message: str) -> None:
        self._console.print(message, markup=False, highlight=False)

    def show(self, cells: Sequence[Cell], state: SurveyState, jobs: Sequence[tuple[Cell, Job]]) -> None:
        self._live.update(progress_table(cells, state, jobs))

    def over(self, cell: Cell, state: CellState) -> None:
        if state.status != "completed":
            self.say(f"{cell.key}: {_outcome(state)}")


def open_progress(stream: TextIO) -> PlainProgress | LiveProgress:
    return LiveProgress(stream) if stream.isatty() else PlainProgress(stream)


def progress_table(cells: Sequence[Cell], state: SurveyState, jobs: Sequence[tuple[Cell, Job]]) -> Table:
    """Return counts of the cells by task and dataset, with the jobs that run now."""
    from rich.table import Table
    from rich.text import Text

    table = Table(caption=Text("\n".join(_running(cell, job) for cell, job in jobs), justify="left"))
    for title in ("task", "dataset", "done", "skipped", "failed", "waiting"):
        table.add_column(title, justify="left" if title in {"task", "dataset"} else "right")
    for task, dataset in dict.fromkeys((cell.task, str(cell.dataset)) for cell in cells):
        own = [cell for cell in cells if (cell.task, str(cell.dataset)) == (task, dataset)]
        counts = Counter(state.cell(cell.key).status for cell in own)
        waiting = counts["waiting"] + counts["running"]
        numbers = (counts["completed"], counts["skipped"], counts["failed"], waiting)
        table.add_row(Text(task), Text(dataset), *map(str, numbers))
    return table


def _running(cell: Cell, job: Job) -> str:
    where = f" on pool {cell.pool}" if cell.pool else ""
    parts = (f"{cell.variant}{where}: {describe(job)}", describe_stall(job))
    return " · ".join(filter(None, parts))


def _outcome(state: CellState) -> str:
    words: list[str] = [state.status]
    if state.images is not None:
        words.append(f"{state.images} images, {state.failed_images or 0} failed")
    return ": ".join([", ".join(words), *([state.reason] if state.reason else [])])
