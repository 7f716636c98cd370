"""A bench whose figures follow a formula, for tests and for trying a search without a stack."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, field, replace

from samfleet_cli.tuning.figures import Figures
from samfleet_cli.tuning.points import Point
from samfleet_cli.tuning.search import PointFailed

DEFAULT_THREADS = 4


@dataclass(slots=True)
class FormulaBench:
    """A device that takes `first_ms` for the first image of a batch and `next_ms` for each further one.

    An execution divides these times by its `speed` and changes masks as `agreements` says. `cost_in_flight` is the
    share of throughput that each image in flight beyond `enough_in_flight` costs. A batch grows to the images in
    flight, at most to its limit. Figures meet the assumptions of `samfleet_cli.tuning.search`.

    `measured` lists the rounds that were measured. A point whose execution is in `broken` fails.
    """

    first_ms: float = 100.0
    next_ms: float = 60.0
    enough_in_flight: int = 4
    cost_in_flight: float = 0.0
    image_bytes: int = 10 * 2**20
    model_bytes: int = 200 * 2**20
    speed: Mapping[str, float] = field(default_factory=dict)
    agreements: Mapping[str, float] = field(default_factory=dict)
    broken: Collection[str] = ()
    rounds_of_a_point: int = 2
    images_of_a_round: int = 16
    measured: list[Point] = field(default_factory=list)

    def rounds(self, point: Point) -> Generator[Figures, None, None]:
        if point.execution in self.broken:
            raise PointFailed(f"{point.execution} cannot be served here")
        figures = self.figures(point)
        for number in range(self.rounds_of_a_point):
            self.measured.append(point)
            yield replace(figures, images=(number + 1) * self.images_of_a_round)

    def figures(self, point: Point) -> Figures:
        """Return the figures of the point."""
        batch = min(point.batch_size, point.in_flight)
        speed = self.speed.get(point.execution, 1.0) * (point.threads or DEFAULT_THREADS) / DEFAULT_THREADS
        batch_ms = (self.first_ms + (batch - 1) * self.next_ms) / speed
        waiting = -(-point.in_flight // batch)  # batches in flight
        busy = min(point.in_flight, self.enough_in_flight) / self.enough_in_flight
        wasted = max(0, point.in_flight - self.enough_in_flight) * self.cost_in_flight
        per_second = batch * 1e3 / batch_ms * busy * max(0.1, 1 - wasted)
        agreement = self.agreements.get(point.execution, 1.0)
        return Figures(
            images=self.images_of_a_round,
            images_per_second=per_second,
            p50_ms=batch_ms * waiting,
            p95_ms=batch_ms * (waiting + 1),
            memory_bytes=self.model_bytes + point.in_flight * self.image_bytes,
            agreement=agreement,
            same_masks=agreement == 1.0,
            largest_batch=batch,
        )
