"""Points of a sweep: settings of one stack, as environment variables, words and labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from samfleet.errors import InvalidInput

SHARDS = 4  # shards that a worker of a point segments at a time, if the point has that many images in flight
DEFAULT_IN_FLIGHT = 64  # four shards with sixteen requests each: the defaults of the settings
REFERENCE = "fp32"


class TunePointInvalid(InvalidInput):
    """A setting to try is not valid; the message says what it may be."""

    code = "tune_point_invalid"


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """Settings of a stack that serves one variant.

    `threads` None leaves torch's own number. `batch_size` bounds the images of a batch. `in_flight` is the number of
    requests that the worker has at Triton at most: 1 to 4, or a multiple of 4.
    """

    execution: str
    threads: int | None
    batch_size: int
    in_flight: int

    def __post_init__(self) -> None:
        if self.in_flight > SHARDS and self.in_flight % SHARDS:
            raise TunePointInvalid(f"{self.in_flight} images in flight: write 1 to {SHARDS} or a multiple of {SHARDS}")
        for name, value in (("threads", self.threads), ("images", self.batch_size), ("images", self.in_flight)):
            if value is not None and value < 1:
                raise TunePointInvalid(f"a point has {value} {name}; write 1 or more")

    @property
    def key(self) -> str:
        """Text that identifies the point in files."""
        threads = "default" if self.threads is None else self.threads
        return f"{self.execution}/threads={threads}/batch={self.batch_size}/in_flight={self.in_flight}"

    @property
    def engine(self) -> str:
        """Execution and threads in words."""
        return self.execution if self.threads is None else f"{self.execution}, {_counted(self.threads, 'thread')}"

    @property
    def words(self) -> str:
        return f"{self.engine}, batches of {self.batch_size}, {self.in_flight} in flight"

    def environment(self, variant: str) -> dict[str, str]:
        """Return the variables with which a stack has these settings. An empty one counts as unset."""
        execution = REFERENCE if self.execution == REFERENCE else f"{variant}={self.execution}"
        return {
            "SAMFLEET_EXECUTION": execution,
            "SAMFLEET_THREADS": "" if self.threads is None else str(self.threads),
            "SAMFLEET_MAX_BATCH_SIZE": str(self.batch_size),
            "SAMFLEET_WORKER_CONCURRENCY": str(min(self.in_flight, SHARDS)),
            "SAMFLEET_IMAGES_IN_FLIGHT": str(max(1, self.in_flight // SHARDS)),
        }

    def labels(self) -> dict[str, str]:
        """Return labels of the jobs that measure the point."""
        threads = "default" if self.threads is None else str(self.threads)
        return {
            "tune/execution": self.execution.replace("+", "-"),  # a label has no +
            "tune/threads": threads,
            "tune/batch-size": str(self.batch_size),
            "tune/in-flight": str(self.in_flight),
        }


def points_of(
    executions: Sequence[str],
    threads: Sequence[int | None],
    batch_sizes: Collection[int],
    in_flight: Collection[int],
) -> list[Point]:
    """Return all combinations in the order of their measurement.

    First come the executions with the first number of threads and the largest batches, then points that differ from
    these in batches or threads, then those that differ in both; each from few images in flight to many.
    """
    sizes, counts = sorted(set(batch_sizes), reverse=True), list(dict.fromkeys(threads))
    lines = [(execution, count, size) for execution in dict.fromkeys(executions) for count in counts for size in sizes]
    lines.sort(key=lambda line: (line[1] != counts[0]) + (line[2] != sizes[0]))
    return [Point(*line, images) for line in lines for images in sorted(set(in_flight))]


def doubling(most: int) -> list[int]:
    """Return 1, 2, 4, … and `most`."""
    powers = [2**exponent for exponent in range(most.bit_length()) if 2**exponent < most]
    return [*powers, most]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
