"""The simulated broker: a queue of messages for each pool and one of the control worker, in memory."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class SimulatedBroker:
    """An implementation of `samfleet.jobs.queue.TaskQueue`.

    `sent` is called for each message with its queue, task, arguments and countdown in seconds, instead of keeping it
    for a poll; `keep` puts it into its queue.
    """

    sent: Callable[[str, str, tuple[str | int, ...], float], None]
    queues: dict[str, deque[int]] = field(default_factory=lambda: defaultdict(deque))

    def send(self, task: str, *args: str | int, queue: str, countdown_seconds: float = 0.0) -> None:
        self.sent(queue, str(task), args, countdown_seconds)

    def waiting(self, queue: str) -> int:
        return len(self.queues[queue])

    def ping(self) -> None:
        """Return at once: this broker always answers."""

    def keep(self, queue: str, shard_id: int) -> None:
        self.queues[queue].append(shard_id)

    def take(self, queue: str) -> int | None:
        waiting = self.queues[queue]
        return waiting.popleft() if waiting else None
