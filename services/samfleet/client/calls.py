"""Common parts of all API calls: the connection, pagination, and transfer of files in both directions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from samfleet.client.transport import Transport
from samfleet.files import replacing
from samfleet.regular_files import open_regular

PAGE = 1000
PIECE_BYTES = 1 << 20
EXCHANGE_SECONDS = 1800  # the response follows only after a file of the maximum size was written completely


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

    def _download(self, route: str, path: Path, **request: Any) -> None:
        def attempt() -> None:
            with replacing(path) as file, self._transport.stream(route, **request) as pieces:
                for piece in pieces:
                    file.write(piece)

        self._transport.repeat(attempt, repeatable=True)

    def _put_file(
        self, route: str, path: Path, content_type: str = "application/json", params: Mapping[str, Any] | None = None
    ) -> None:
        headers = {"Content-Type": content_type, "Content-Length": str(path.stat().st_size)}
        self._transport.repeat(
            lambda: self._transport.json(
                "PUT",
                route,
                repeatable=False,  # an attempt consumes the body; the outer `repeat` reopens the file
                content=_pieces(path),
                params=params or {},
                headers=headers,
                timeout=EXCHANGE_SECONDS,
            ),
            repeatable=True,
        )

    def _send_files(self, route: str, files: Sequence[tuple[str, Path]]) -> None:
        with ExitStack() as stack:
            parts = [
                ("files", (name, stack.enter_context(open_regular(path)), "application/octet-stream"))
                for name, path in files
            ]
            self._transport.json("POST", route, repeatable=False, files=parts)

    def _get(self, path: str, **params: Any) -> Any:
        return self._transport.json("GET", path, repeatable=True, params=params)

    def _delete(self, path: str, **request: Any) -> None:
        self._transport.repeat(lambda: self._transport.send("DELETE", path, **request), repeatable=True)

    def _post(self, path: str, body: Mapping[str, Any] | None, **request: Any) -> Any:
        return self._transport.json("POST", path, repeatable=False, json=body, **request)

    def _patch(self, path: str, changes: Mapping[str, Any]) -> Any:
        return self._transport.json("PATCH", path, repeatable=True, json=changes)

    def _items(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[Any]:
        cursor: str | None = None
        while True:
            page = self._get(path, limit=PAGE, **(params or {}), **without_none({"cursor": cursor}))
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return


def _pieces(path: Path) -> Iterator[bytes]:
    with open_regular(path) as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
