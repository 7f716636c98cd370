"""Bodies that are too large for memory, read by dependencies that run behind the check of the key.

Besides the stream of a job's events these are the only coroutines of the API: the ASGI server hands bodies over in no
other way. File work is done in threads, as Starlette does it.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import IO, cast

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from samfleet.datasets.uploads import UploadedFile
from samfleet.errors import SamfleetError
from samfleet_api.problems import PayloadInvalid, PayloadTooLarge

IN_MEMORY_BYTES = 2**20  # larger bodies rest in a temporary file
MAX_FILES = 1000  # in one request; more go into several


def limited(receive: Receive, max_bytes: int, error: SamfleetError | None = None) -> Receive:
    """Counts what arrives, because a client need not say its size, nor say the truth."""
    received = 0

    async def receive_counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise error or PayloadTooLarge(f"the body has more than {max_bytes} bytes, the most this route accepts")
        return message

    return receive_counted


@asynccontextmanager
async def spooled_body(request: Request, max_bytes: int, error: SamfleetError) -> AsyncIterator[IO[bytes]]:
    """The body as a file that stands at its start."""
    inner = Request(request.scope, limited(request.receive, max_bytes, error))
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as file:
        async for chunk in inner.stream():
            await run_in_threadpool(file.write, chunk)
        file.seek(0)
        yield cast("IO[bytes]", file)


@asynccontextmanager
async def multipart_files(request: Request, field: str, max_bytes: int) -> AsyncIterator[Sequence[UploadedFile]]:
    """The files of the multipart field `field`, in order; anything else in the form is refused."""
    inner = Request(request.scope, limited(request.receive, max_bytes))
    try:
        form = await inner.form(max_files=MAX_FILES, max_fields=0)
    except HTTPException as error:
        raise PayloadInvalid(f"the form cannot be read: {error.detail}") from error
    try:
        files = []
        for name, value in form.multi_items():
            if name != field or not isinstance(value, UploadFile) or not value.filename:
                raise PayloadInvalid(f"the form has {name!r}; send only files, each as {field!r} with a file name")
            files.append(UploadedFile(value.filename, value.file))
        if not files:
            raise PayloadInvalid(f"the form has no files; send multipart/form-data with at least one {field!r}")
        yield files
    finally:
        await form.close()
