"""Errors of the preparation of datasets. Those of the download, which weights share, are mapped in one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from samfleet.errors import Conflict, Forbidden, InvalidInput, SamfleetError, Unavailable
from samfleet.variants.weights.disk import WeightsFolderUnusable, WeightsNoSpace
from samfleet.variants.weights.download import SourceFailed
from samfleet.variants.weights.verify import WeightsHashMismatch


class DatasetSourceFailed(Unavailable):
    """A file of the dataset could not be fetched; repeat the command later, it continues where it stopped."""

    code = "dataset_source_failed"


class DatasetHashMismatch(SamfleetError):
    """A file is not the one that the recipe names, or not the one that was pinned at its first download."""

    code = "dataset_hash_mismatch"


class DatasetNoSpace(SamfleetError):
    """There is not enough disk space for the dataset; free some space or choose another folder."""

    code = "dataset_no_space"
    status_code = 507


class DatasetFolderUnusable(Forbidden):
    """The folder of the dataset cannot be written; choose another one or fix its permissions."""

    code = "dataset_folder_unusable"


class DatasetFolderTaken(Conflict):
    """The folder has other files, or the same dataset with another limit or seed; choose another folder."""

    code = "dataset_folder_taken"


class DatasetSourceInvalid(InvalidInput):
    """A file of the dataset does not have the expected format."""

    code = "dataset_source_invalid"


class DatasetFilesMissing(InvalidInput):
    """Files that a person must download are missing; `samfleet datasets prepare --list` says where they are."""

    code = "dataset_files_missing"


MAPPED: Mapping[type[SamfleetError], type[SamfleetError]] = {
    SourceFailed: DatasetSourceFailed,
    WeightsHashMismatch: DatasetHashMismatch,
    WeightsNoSpace: DatasetNoSpace,
    WeightsFolderUnusable: DatasetFolderUnusable,
}


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Raise errors of a transfer as errors of datasets; the message begins with `what`."""
    try:
        yield
    except tuple(MAPPED) as error:
        raise MAPPED[type(error)](f"{what}: {error.message}") from error
