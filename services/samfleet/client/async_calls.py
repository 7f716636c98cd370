"""Common parts of the asynchronous client's calls: the connection, pagination and downloads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar

from samfleet.client.async_transport import AsyncTransport
from samfleet.client.steps import Call, Download, Pages, Pause, Step, Steps, Together, ask, in_thread, run_async
from samfleet.client.transport import decoded

T = TypeVar("T")


def in_this_loop(callback: Callable[[T], None]) -> Callable[[T], None]:
    """Return a callback for any thread. It runs in the event loop of the caller, and ends or fails as it does there."""
    loop, thread = asyncio.get_running_loop(), threading.get_ident()

    async def called(value: T) -> None:
        callback(value)

    def call(value: T) -> None:
        if threading.get_ident() == thread:
            callback(value)
        else:
            asyncio.run_coroutine_threadsafe(called(value), loop).result()

    return call


class AsyncCalls:
    """Base of the asynchronous client. Use it in an `async with` statement, or call `close`."""

    def __init__(self, api_url: str, api_key: str, *, transport: AsyncTransport | None = None) -> None:
        self._transport = transport or AsyncTransport(api_url, api_key)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._transport.close()

    @property
    def api_url(self) -> str:
        return self._transport.api_url

    async def carry_out(self, steps: Steps[T], *, in_threads: bool = False) -> T:
        """Carry out a flow and return its result. `in_threads` keeps the flow's own work out of the event loop; its
        callbacks are then called in other threads too.
        """

        async def step(wanted: Step) -> Any:
            if isinstance(wanted, Pause):
                return await self._transport.sleep(wanted.seconds)
            if isinstance(wanted, Together):
                return await self._together(wanted)
            return await (self._fetch(wanted) if isinstance(wanted, Download) else self._exchange(wanted))

        return await run_async(steps, step, in_threads=in_threads)

    async def every(self, pages: Pages[T]) -> AsyncIterator[T]:
        """Yield the items of all pages."""
        cursor: str | None = None
        while True:
            page = await self.carry_out(ask(pages.page(cursor)))
            for item in page["items"]:
                yield pages.parse(item)
            cursor = page["next"]
            if cursor is None:
                return

    def stream_results(self, run_id: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Stream the JSON lines of a run's results in pieces."""
        return self._transport.stream(f"/v1/runs/{run_id}/results", params={"format": "jsonl"})

    async def pause(self, seconds: float) -> None:
        """Wait before a repetition."""
        await self._transport.sleep(seconds)

    async def _together(self, wanted: Together) -> None:
        def begun(count: int) -> set[asyncio.Task[Any]]:
            return {asyncio.create_task(self.carry_out(flow)) for flow in islice(wanted.flows, count)}

        running = begun(wanted.at_once)
        try:
            while running:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    wanted.on_result(one.result())
                    running |= begun(1)
        finally:  # after an error; those of the others are not raised too
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _exchange(self, call: Call[Any]) -> Any:
        with ExitStack() as opened:
            body = await in_thread(call.body, opened) if call.body else {}  # it may pack a folder of labels
            response = await self._transport.send(call.method, call.path, **call.request, **body)
        if call.response == "json":
            return decoded(response)
        return response.content if call.response == "bytes" else None

    async def _fetch(self, wanted: Download) -> None:
        with wanted.file.open("r+b") as file:
            async with self._transport.stream_from(wanted.path, wanted.start, wanted.tag) as part:
                file.seek(part.start)
                file.truncate()
                async for piece in part.pieces:
                    file.write(piece)
