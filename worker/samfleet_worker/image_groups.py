"""Images of a shard in groups, each of which is one request to Triton.

A request costs the worker, Triton and its Python process about a millisecond together, whatever is in it. That is
nothing beside a model that needs a second for an image, and most of the time beside one that needs a millisecond. So a
group has as many images as Triton works through in `GROUP_MS`, by the times in the replies so far. Slow variants have
one image in each request, and their replies arrive one by one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from samfleet.jobs.outcomes import ShardImage
from samfleet.wire.messages import ImageReport

GROUP_MS = 50.0
MOST_IMAGES = 16  # with more, a request costs no less for each image
MOST_BYTES = 8 * 2**20  # of image files, unless one image alone has more


class ImageGroups:
    """The images not yet taken, for any number of threads. `most` images are together at most."""

    def __init__(self, images: Sequence[ShardImage], most: int) -> None:
        self._waiting = deque(images)
        self._most = min(most, MOST_IMAGES)
        self._size = 1
        self._lock = threading.Lock()

    def take(self) -> list[ShardImage]:
        """Return the next images, in the shard's order; an empty list at the end."""
        with self._lock:
            group: list[ShardImage] = []
            size_bytes = 0
            while self._waiting and len(group) < self._size:
                size_bytes += self._waiting[0].size_bytes
                if group and size_bytes > MOST_BYTES:
                    break
                group.append(self._waiting.popleft())
            return group

    def close(self) -> None:
        """Leave the images that nobody has taken."""
        with self._lock:
            self._waiting.clear()

    def heard(self, report: ImageReport) -> None:
        """Note how long Triton took. A group at most doubles, because the time of one batch says little."""
        if report.warmup or report.error_code is not None:
            return
        fitting = int(GROUP_MS * report.batch_size / max(report.execute_ms, 1e-3))
        with self._lock:
            self._size = max(1, min(fitting, 2 * self._size, self._most))
