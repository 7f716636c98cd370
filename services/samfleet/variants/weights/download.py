"""Download of one file over HTTP: resumed where an earlier try stopped, and checked by sha256 before it is read.

If the server ignores the range, or its file has changed since (If-Range), it sends the whole file and the download
starts again. The rest is requested also from servers without validators. If it belongs to another file, the hash does
not match and the whole file is fetched once more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import httpx

from samfleet.errors import SamfleetError
from samfleet.variants.weights.disk import FreeBytes, check_space, disk_errors, write_all
from samfleet.variants.weights.part_file import Origin, PartFile
from samfleet.variants.weights.progress import Progress
from samfleet.variants.weights.verify import WeightsHashMismatch, check_sha256

MAX_CUTS = 5  # after more interruptions the pull fails; the part file stays for the next one
RANGE_STATUSES = {httpx.codes.PARTIAL_CONTENT, httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE}


class SourceFailed(SamfleetError):
    """A source of weights cannot be used."""

    code = "weights_source_failed"


@dataclass(frozen=True, slots=True)
class Downloader:
    client: httpx.Client
    progress: Progress
    free_bytes: FreeBytes

    def download(self, part: PartFile, sha256: str | None, size_bytes: int | None = None) -> None:
        """Download the whole file with the right hash to `part.path`.

        `size_bytes` and `sha256` are None if unknown. Without a hash nothing would detect that the rest belongs to
        another file, so the download resumes only if the server sent an ETag or Last-Modified.
        """
        origin = part.origin()
        if sha256 is None and origin is not None and origin.validator is None:
            part.discard()
        resumed = origin is not None
        self._fetch(part, size_bytes)
        try:
            check_sha256(part.path, sha256, f"{part.url} sent another file")
        except WeightsHashMismatch:
            part.discard()
            if not resumed:
                raise
            self.download(part, sha256, size_bytes)

    def _fetch(self, part: PartFile, size_bytes: int | None) -> None:
        cuts = 0
        while True:
            before = part.size
            try:
                self._request(part, size_bytes)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                cuts += 1
                if part.size <= before or cuts > MAX_CUTS:
                    raise SourceFailed(_reason(error, part.size)) from error
            else:
                return

    def _request(self, part: PartFile, size_bytes: int | None) -> None:
        origin = part.origin()
        if origin and origin.total_bytes == part.size:
            return
        with self.client.stream("GET", part.url, headers=_headers(part, origin)) as response:
            resuming = origin is not None and _continues(response, part.size, origin)
            if resuming or response.status_code == httpx.codes.OK:
                self._accept(response, part, part.size if resuming else 0, size_bytes)
                return
            if origin is None or response.status_code not in RANGE_STATUSES:
                raise SourceFailed(f"the server replied {response.status_code} {response.reason_phrase}")
        part.discard()  # it does not match the file that the server has now
        self._request(part, size_bytes)

    def _accept(self, response: httpx.Response, part: PartFile, offset: int, size_bytes: int | None) -> None:
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise SourceFailed("the server sent a web page and not the file: a login, or a page about it")
        length = response.headers.get("Content-Length")
        total = offset + int(length) if length else None
        _check_size(total, size_bytes)
        check_space(part.path.parent, (total or size_bytes or 0) - offset, self.free_bytes)
        if not offset:
            with disk_errors(part.path):
                part.begin(Origin(part.url, _validator(response), total))
        self.progress.begin(part.url.rpartition("/")[2], total or size_bytes, offset)
        self._receive(response, part, size_bytes)

    def _receive(self, response: httpx.Response, part: PartFile, size_bytes: int | None) -> None:
        with disk_errors(part.path):
            file = part.path.open("ab", buffering=0)
        with file:
            # Raw: a .tar.gz labelled as gzip-encoded must stay the file that was hashed. No fixed chunk size: bytes
            # that wait for a full chunk are lost when the connection breaks.
            for chunk in response.iter_raw():
                with disk_errors(part.path):
                    write_all(file, chunk)
                self.progress.advance(len(chunk))
                if size_bytes is not None and file.tell() > size_bytes:
                    part.discard()
                    raise SourceFailed(f"the server sent more than the expected {size_bytes} bytes")


def _headers(part: PartFile, origin: Origin | None) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity"}
    if origin:
        headers["Range"] = f"bytes={part.size}-"
        if origin.validator:
            headers["If-Range"] = origin.validator
    return headers


def _continues(response: httpx.Response, offset: int, origin: Origin) -> bool:
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        return False
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    return found is not None and int(found[1]) == offset and found[2] in {"*", str(origin.total_bytes)}


def _validator(response: httpx.Response) -> str | None:
    etag: str | None = response.headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def _check_size(total: int | None, size_bytes: int | None) -> None:
    if None not in {total, size_bytes} and total != size_bytes:
        raise SourceFailed(f"the server announced {total} bytes, expected are {size_bytes}")


def _reason(error: Exception, received: int) -> str:
    text = str(error).partition("\n")[0] or type(error).__name__
    return f"{text} (after {received} bytes; the next pull resumes there)" if received else text
