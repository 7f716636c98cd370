"""Reads official weight files: verified by hash, never unpickled freely, loaded strictly."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from samfleet.errors import SamfleetError
from samfleet.variants.record import Checkpoint, VariantRecord
from samfleet.variants.weights.pins import expected_sha256
from samfleet_models.checkpoints.containers import read_state_file

SHOWN_KEYS = 8


class CheckpointMissing(SamfleetError):
    """The weights file does not exist; run `samfleet variants pull NAME`."""

    code = "checkpoint_missing"


class CheckpointHashMismatch(SamfleetError):
    """The weights file is not the published one; delete it and pull it again."""

    code = "checkpoint_hash_mismatch"


class CheckpointUnreadable(SamfleetError):
    """The weights file cannot be read as a table of tensors."""

    code = "checkpoint_unreadable"


class CheckpointMismatch(SamfleetError):
    """The weights file belongs to another architecture."""

    code = "checkpoint_mismatch"


class LoadsWeights(Protocol):
    def load(self, files: Mapping[str, Path]) -> None: ...


def load_weights(network: LoadsWeights, record: VariantRecord, path: Path) -> None:
    """Load the record's official files: its checkpoint is `path`, the companions are in the same folder."""
    network.load(checked_files(record, path))


def checked_files(record: VariantRecord, path: Path) -> dict[str, Path]:
    """Return the record's files by role. The sha256 of each file is verified before it is read."""
    companions = {role: path.with_name(checkpoint.filename) for role, checkpoint in record.companions.items()}
    paths = {"network": path, **companions}
    for role, checkpoint in record.files.items():
        _check_file(record, checkpoint, paths[role])
    return paths


def _check_file(record: VariantRecord, checkpoint: Checkpoint, path: Path) -> None:
    if not path.is_file():
        raise CheckpointMissing(f"{path} does not exist; run `samfleet variants pull {record.name}`")
    found, expected = file_sha256(path), expected_sha256(checkpoint, path.parent)
    if found != expected:
        raise CheckpointHashMismatch(
            f"{path} has sha256 {found}, the published file of {record.name} has {expected}; "
            f"delete it and run `samfleet variants pull {record.name}`"
        )


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_state(path: Path, key: str | None = None) -> dict[str, Tensor]:
    """Return the state dict in a file; only tensors are unpickled.

    It is under `key` or, if the file has no such key, at its top level, as in the loaders of EfficientViT.
    """
    try:
        state = read_state_file(path)
    except Exception as error:  # unpickling a damaged file can raise nearly any exception
        raise CheckpointUnreadable(f"{path} is not a checkpoint of tensors: {_reason(error)}") from error
    if key is not None and isinstance(state, dict):
        state = state.get(key, state)
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        place = "at its top level" if key is None else f"at its top level or under {key!r}"
        raise CheckpointUnreadable(f"{path} has no flat table of tensors {place}")
    return state


def _reason(error: Exception) -> str:
    """Return a short reason, without torch's advice to unpickle freely, which does not suit downloaded files."""
    if isinstance(error, pickle.UnpicklingError):
        return "it pickles objects other than tensors and numbers; none of them was run; get the official file"
    return f"{str(error).partition('. ')[0]}; the download may be incomplete"


def load_state(
    network: nn.Module,
    state: Mapping[str, Tensor],
    own_key: Callable[[str], str] = str,
    unread: nn.Module | None = None,
) -> None:
    """Load strictly; an error names every missing, unexpected and wrongly shaped key.

    For `own_key` and `unread` see `Family`.
    """
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    names = fitting_keys(network, shapes, own_key, unread)
    network.load_state_dict({names[key]: value for key, value in state.items() if key in names}, strict=True)


def fitting_keys(
    network: nn.Module,
    shapes: Mapping[str, tuple[int, ...]],
    own_key: Callable[[str], str] = str,
    unread: nn.Module | None = None,
) -> dict[str, str]:
    """Map every key that the network reads from a checkpoint to its own key. Raises `CheckpointMismatch`.

    `shapes` are the checkpoint's, so that no tensor needs to be read.
    """
    skipped = {key: tuple(value.shape) for key, value in unread.state_dict().items()} if unread else {}
    own = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    renamed = not own.keys() <= shapes.keys()  # some files use our names already, and own_key does not apply to them
    names = {key: own_key(key) if renamed else key for key in shapes if key not in skipped}
    expected = skipped | {key: own[name] for key, name in names.items() if name in own}
    problems = {
        "missing": sorted((own.keys() - set(names.values())) | (skipped.keys() - shapes.keys())),
        "unexpected": sorted(key for key, name in names.items() if name not in own),
        "wrong shape": [
            f"{key} {shapes[key]} instead of {expected[key]}"
            for key in sorted(expected.keys() & shapes.keys())
            if shapes[key] != expected[key]
        ],
    }
    if any(problems.values()):
        parts = [f"{len(keys)} {kind}: {_shorten(keys)}" for kind, keys in problems.items() if keys]
        raise CheckpointMismatch("the checkpoint does not fit this architecture; " + "; ".join(parts))
    return names


def _shorten(keys: list[str]) -> str:
    more = len(keys) - SHOWN_KEYS
    return ", ".join(keys[:SHOWN_KEYS]) + (f" and {more} more" if more > 0 else "")
