"""Request bodies: size limits, and streaming of bodies that are too large for memory.

The limit applies to every body before authentication, regardless of method and content type. Only the routes in
`STREAMED` accept more; dependencies that run after authentication read their bodies. File I/O runs in threads, as in
Starlette.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import IO, cast

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samfleet.datasets.image_uploads import UploadedFile
from samfleet.errors import SamfleetError
from samfleet_api.error_handlers import problem_response
from samfleet_api.problems import ContentEncodingUnsupported, PayloadInvalid, PayloadTooLarge

STREAMED = (
    ("POST", "/v1/datasets/{dataset_id}/images"),
    ("PUT", "/v1/datasets/{dataset_id}/annotations"),
    ("PUT", "/v1/datasets/{dataset_id}/archive"),
    ("PUT", "/v1/datasets/{dataset_id}/detections"),
    ("PUT", "/v1/datasets/{dataset_id}/manifest"),
    ("PUT", "/v1/datasets/{dataset_id}/prompts"),
    ("POST", "/v1/predict"),
    ("POST", "/v1/reports/import"),
)
IN_MEMORY_BYTES = 2**20  # a larger body goes to a temporary file
FILE_IN_MEMORY_BYTES = 2**16  # the same limit for one file of a form: a thousand of them take 64 MiB
MAX_FILES = 1000  # in one request

_STREAMED = tuple((method, compile_path(path)[0]) for method, path in STREAMED)


class BodyLimit:
    """Reject a body of more than `max_bytes`: at once if Content-Length says so, else after reading that many bytes."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        streamed = any(method == scope["method"] and path.match(scope["path"]) for method, path in _STREAMED)
        if error := self._refusal(headers, streamed=streamed):
            await problem_response(error, scope["path"])(scope, receive, send)
            return
        await self._app(scope, receive if streamed else limited(receive, self._max_bytes), send)

    def _refusal(self, headers: Headers, *, streamed: bool) -> SamfleetError | None:
        encoding = headers.get("Content-Encoding", "identity")
        if encoding.lower() not in {"identity", ""}:
            return ContentEncodingUnsupported(f"the body has the content encoding {encoding!r}; send it without one")
        stated = headers.get("Content-Length", "0")
        if not streamed and stated.isdecimal() and int(stated) > self._max_bytes:
            return _too_large(self._max_bytes)
        return None


def _too_large(max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"the body has more than {max_bytes} bytes, the most this route accepts")


def limited(receive: Receive, max_bytes: int, error: SamfleetError | None = None) -> Receive:
    """Count received bytes: a client may omit Content-Length or state a wrong one."""
    received = 0

    async def receive_counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise error or _too_large(max_bytes)
        return message

    return receive_counted


@asynccontextmanager
async def spooled_body(request: Request, max_bytes: int, error: SamfleetError) -> AsyncIterator[IO[bytes]]:
    """Yield the body as a file positioned at its start."""
    inner = Request(request.scope, limited(request.receive, max_bytes, error))
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as file:
        async for chunk in inner.stream():
            await run_in_threadpool(file.write, chunk)
        file.seek(0)
        yield cast("IO[bytes]", file)


@asynccontextmanager
async def multipart_files(request: Request, field: str, max_bytes: int) -> AsyncIterator[Sequence[UploadedFile]]:
    """Yield the files of the multipart field `field`, in order. Anything else in the form is rejected."""
    form = await _parsed_form(request, max_bytes)
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


async def _parsed_form(request: Request, max_bytes: int) -> FormData:
    inner = Request(request.scope, limited(request.receive, max_bytes))
    media_type, options = parse_options_header(request.headers.get("Content-Type"))
    if media_type != b"multipart/form-data":
        raise PayloadInvalid("the body is not a form; send multipart/form-data")
    charset = options.get(b"charset", b"utf-8").decode("latin-1")
    if charset.lower() not in {"utf-8", "utf8"}:
        raise PayloadInvalid(f"the form has the charset {charset!r}; names in forms are UTF-8, so omit it")
    parser = MultiPartParser(request.headers, inner.stream(), max_files=MAX_FILES, max_fields=0)
    parser.spool_max_size = FILE_IN_MEMORY_BYTES
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise PayloadInvalid(f"the form cannot be read: {error.message}") from error
