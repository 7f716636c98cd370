"""`AsyncClient.segment` leaves the event loop free while it works on files."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from fixtures.api.api_double import ApiDouble
from fixtures.api.segmentations import KEY, URL, answers
from samfleet.client import AsyncClient, uploads
from samfleet.client.async_transport import AsyncTransport
from samfleet.client.routes import datasets as routes
from samfleet.client.segmenting import Progress

LONG_SECONDS = 60  # never waited for, unless the loop is blocked


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.png").write_bytes(b"123")
    (tmp_path / "b.png").write_bytes(b"456")
    return tmp_path


@pytest.fixture
def hashing(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Return an event that is set when a file is about to be hashed, and one that the hashing waits for."""
    begun, go_on = threading.Event(), threading.Event()
    hashed: Callable[[uploads.NamedImage], dict[str, Any]] = uploads._hashed

    def held(image: uploads.NamedImage) -> dict[str, Any]:
        begun.set()
        assert go_on.wait(LONG_SECONDS), "the event loop is blocked"
        return hashed(image)

    monkeypatch.setattr(uploads, "_hashed", held)
    return begun, go_on


def client_of(api: ApiDouble) -> AsyncClient:
    return AsyncClient(URL, KEY, transport=AsyncTransport(URL, KEY, transport=httpx.MockTransport(api)))


def test_the_event_loop_runs_while_files_are_hashed(
    folder: Path, hashing: tuple[threading.Event, threading.Event]
) -> None:
    begun, go_on = hashing
    seen: list[tuple[Progress, int]] = []

    async def all_of_it() -> None:
        async with client_of(ApiDouble(answers())) as client:

            def shown(progress: Progress) -> None:
                asyncio.get_running_loop()  # raises in another thread
                seen.append((progress, threading.get_ident()))

            segmenting = asyncio.create_task(client.segment(folder, "mobile_sam", upload=True, on_progress=shown))
            await asyncio.to_thread(begun.wait, LONG_SECONDS)
            go_on.set()  # by the event loop, while a file waits for it
            await segmenting

    asyncio.run(all_of_it())
    assert [str(progress) for progress, _ in seen[:2]] == ["uploading: 0 of 2 images", "uploading: 2 of 2 images"]
    assert {thread for _, thread in seen} == {threading.get_ident()}


def test_a_cancelled_segmentation_removes_what_it_made(
    folder: Path, hashing: tuple[threading.Event, threading.Event]
) -> None:
    begun, go_on = hashing
    api = ApiDouble(answers())

    async def all_of_it() -> None:
        async with client_of(api) as client:
            images = [folder / "a.png", folder / "b.png"]
            segmenting = asyncio.create_task(client.segment(images, "mobile_sam", keep=False))
            await asyncio.to_thread(begun.wait, LONG_SECONDS)
            segmenting.cancel()
            await asyncio.sleep(0)
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await segmenting

    asyncio.run(all_of_it())
    assert api.sent()[-1] == "DELETE /v1/datasets/u1"
    assert "POST /v1/datasets/u1/images" not in api.sent()


def test_the_event_loop_runs_while_labels_are_packed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def held(_folder: Path, file: IO[bytes]) -> None:
        begun.set()
        assert go_on.wait(LONG_SECONDS), "the event loop is blocked"
        file.write(b"packed")

    monkeypatch.setattr(routes, "pack_labels", held)
    api = ApiDouble({"PUT /v1/datasets/d1/prompts": {}})

    async def all_of_it() -> None:
        async with client_of(api) as client:
            sending = asyncio.create_task(client.upload_prompts("d1", folder, "yolo"))
            await asyncio.to_thread(begun.wait, LONG_SECONDS)
            go_on.set()
            await sending

    asyncio.run(all_of_it())
    assert api.requests[0].content == b"packed"


def test_an_error_of_the_callback_ends_the_segmentation(folder: Path) -> None:
    def shown(progress: Progress) -> None:
        raise ValueError(str(progress))

    async def all_of_it() -> None:
        async with client_of(ApiDouble(answers())) as client:
            await client.segment(folder, "mobile_sam", upload=True, on_progress=shown)

    with pytest.raises(ValueError, match="uploading: 0 of 2 images"):
        asyncio.run(all_of_it())
