"""Reading of files whose frames are counted, some at a time, in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

AT_A_TIME = 4  # files; each may be a temporary copy

File = TypeVar("File")


def read_side_by_side(
    files: Iterable[File], is_read: Callable[[File], bool], read: Callable[[File], Iterable[File]]
) -> Generator[tuple[File, Sequence[File]]]:
    """Yield each file with its images, in the order of the files. `read` gives those of a file for which `is_read`.

    Other files are their only image. Close the iterator if it is left early. Raises what `read` raises.
    """
    waiting: deque[tuple[File, Future[Sequence[File]] | None]] = deque()
    with ThreadPoolExecutor(AT_A_TIME, "frames") as threads:
        try:
            for file in files:
                waiting.append((file, threads.submit(lambda one: list(read(one)), file) if is_read(file) else None))
                while waiting and (len(waiting) > AT_A_TIME or waiting[0][1] is None):
                    yield _done(*waiting.popleft())
            while waiting:
                yield _done(*waiting.popleft())
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def _done(file: File, images: Future[Sequence[File]] | None) -> tuple[File, Sequence[File]]:
    return file, (file,) if images is None else images.result()
