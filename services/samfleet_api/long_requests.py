"""A separate thread pool for requests that may take long, so that they cannot starve all others.

Reading a folder, a hanging file system or rendering a large image blocks its thread. One key gets at most half of the
threads. A request that finds none free within the wait time fails with 503 and `Retry-After`.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from functools import partial, wraps
from typing import Annotated, Any, ParamSpec, TypeVar

import anyio
from anyio import to_thread
from fastapi import Depends, Request

from samfleet.errors import Unavailable

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

RETRY_AFTER_SECONDS = 5.0


class TooBusy(Unavailable):
    """All threads for long requests are busy; try again shortly."""

    code = "too_busy"


class LongRequests:
    """Thread pool for long requests. Must be created in the event loop that serves the requests."""

    def __init__(self, threads: int, wait_seconds: float) -> None:
        self._most = threads
        self._most_of_one = max(1, threads // 2)
        self._wait_seconds = wait_seconds
        self._changed = anyio.Condition()
        self._running: Counter[str] = Counter()
        self._threads = anyio.CapacityLimiter(threads)
        self._reading = anyio.CapacityLimiter(threads)

    async def run(self, caller: str, call: Callable[[], Answer]) -> Answer:
        async with self._place(caller):
            return await to_thread.run_sync(call, limiter=self._threads)

    async def read(self, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        """Yield a body while it is produced. A thread is taken per piece, and none while the client reads."""
        while (piece := await to_thread.run_sync(partial(next, pieces, None), limiter=self._reading)) is not None:
            yield piece

    @asynccontextmanager
    async def _place(self, caller: str) -> AsyncIterator[None]:
        with anyio.move_on_after(self._wait_seconds) as waiting:
            async with self._changed:
                while not self._has_place(caller):
                    await self._changed.wait()
                self._running[caller] += 1
        if waiting.cancelled_caught:
            raise TooBusy(retry_after_seconds=RETRY_AFTER_SECONDS)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                async with self._changed:
                    self._running -= Counter({caller: 1})
                    self._changed.notify_all()

    def _has_place(self, caller: str) -> bool:
        return self._running.total() < self._most and self._running[caller] < self._most_of_one


async def _itself(request: Request) -> Request:
    return request


ThisRequest = Annotated[Request, Depends(_itself)]  # a second `Request` parameter: the endpoint may have its own


def long_running(endpoint: Callable[Given, Answer]) -> Callable[..., Coroutine[Any, Any, Answer]]:
    """Run an endpoint in one of these threads. It must depend on the tenant, which identifies the caller."""

    @wraps(endpoint)
    async def run(*args: Any, long_request: Request, **kwargs: Any) -> Answer:
        long_requests: LongRequests = long_request.state.long_requests
        return await long_requests.run(long_request.state.caller, partial(endpoint, *args, **kwargs))

    signature = inspect.signature(endpoint)
    request = inspect.Parameter("long_request", inspect.Parameter.KEYWORD_ONLY, annotation=ThisRequest)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), request])  # type: ignore[attr-defined]
    return run


async def _of_process(request: Request) -> LongRequests:
    long_requests: LongRequests = request.state.long_requests
    return long_requests


LongRequestsValue = Annotated[LongRequests, Depends(_of_process)]
