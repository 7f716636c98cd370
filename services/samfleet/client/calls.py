"""Common parts of all API calls: the connection, pagination, and transfer of files in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from samfleet.client.steps import Call, Download, Pages, Pause, Step, Steps, Together, ask, run
from samfleet.client.transport import Transport, decoded
from samfleet.client.values import unchanged, without_none
from samfleet.files import replacing

T = TypeVar("T")


class Calls:
    """Base of the client. Use it in a `with` statement, or call `close`."""

    def __init__(self, api_url: str, api_key: str, *, transport: Transport | None = None) -> None:
        self._transport = transport or Transport(api_url, api_key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    @property
    def api_url(self) -> str:
        return self._transport.api_url

    def carry_out(self, steps: Steps[T], *, sleep: Callable[[float], None] | None = None) -> T:
        """Carry out a flow and return its result. `sleep` replaces that of pauses between requests, not of retries."""

        def step(wanted: Step) -> Any:
            if isinstance(wanted, Pause):
                (self._transport.sleep if wanted.is_retry or sleep is None else sleep)(wanted.seconds)
                return None
            if isinstance(wanted, Together):
                return self._together(wanted)
            return self._fetch(wanted) if isinstance(wanted, Download) else self._exchange(wanted)

        return run(steps, step)

    def every(self, pages: Pages[T]) -> Iterator[T]:
        """Yield the items of all pages."""
        cursor: str | None = None
        while True:
            page = self.carry_out(ask(pages.page(cursor)))
            yield from map(pages.parse, page["items"])
            cursor = page["next"]
            if cursor is None:
                return

    def stream_results(self, run_id: str) -> AbstractContextManager[Iterator[bytes]]:
        """Stream the JSON lines of a run's results in pieces."""
        return self._transport.stream(f"/v1/runs/{run_id}/results", params={"format": "jsonl"})

    def pause(self, seconds: float) -> None:
        """Wait before a repetition."""
        self._transport.sleep(seconds)

    def _together(self, wanted: Together) -> None:
        with ThreadPoolExecutor(wanted.at_once) as threads:
            running = {threads.submit(self.carry_out, flow) for flow in islice(wanted.flows, wanted.at_once)}
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for one in done:
                    wanted.on_result(one.result())
                    running |= {threads.submit(self.carry_out, flow) for flow in islice(wanted.flows, 1)}

    def _exchange(self, call: Call[Any]) -> Any:
        with ExitStack() as opened:
            body = call.body(opened) if call.body else {}
            response = self._transport.send(call.method, call.path, **call.request, **body)
        if call.response == "json":
            return decoded(response)
        return response.content if call.response == "bytes" else None

    def _fetch(self, wanted: Download) -> None:
        with (
            wanted.file.open("r+b") as file,
            self._transport.stream_from(wanted.path, wanted.start, wanted.tag) as part,
        ):
            file.seek(part.start)
            file.truncate()
            for piece in part.pieces:
                file.write(piece)

    def _download(self, route: str, path: Path, **request: Any) -> None:
        def attempt() -> None:
            with replacing(path) as file, self._transport.stream(route, **request) as pieces:
                for piece in pieces:
                    file.write(piece)

        self._transport.repeat(attempt, repeatable=True)

    def _get(self, path: str, **params: Any) -> Any:
        return self._transport.json("GET", path, repeatable=True, params=params)

    def _delete(self, path: str, **request: Any) -> None:
        self._transport.repeat(lambda: self._transport.send("DELETE", path, **request), repeatable=True)

    def _post(self, path: str, body: Mapping[str, Any] | None, **request: Any) -> Any:
        return self._transport.json("POST", path, repeatable=False, json=body, **request)

    def _patch(self, path: str, changes: Mapping[str, Any]) -> Any:
        return self._transport.json("PATCH", path, repeatable=True, json=changes)

    def _items(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[Any]:
        return self.every(Pages(path, unchanged, without_none(params or {})))
