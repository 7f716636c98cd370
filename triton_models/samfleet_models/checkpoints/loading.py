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
    """The weights file is not there; run `samfleet variants pull NAME`."""

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
    """Loads the record's official files: its checkpoint is `path`, the companions lie beside it under their names."""
    network.load(checked_files(record, path))


def checked_files(record: VariantRecord, path: Path) -> dict[str, Path]:
    """The record's files by what they are for; the sha256 of each is checked before anything is read from it."""
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
    """The state dict in a file; nothing but tensors is unpickled.

    It lies under `key` or, where the file has no such key, at its top level, as the loaders of EfficientViT take it.
    """
    try:
        state = read_state_file(path)
    except Exception as error:  # unpickling a damaged file raises nearly anything
        raise CheckpointUnreadable(f"{path} is no checkpoint of tensors: {_reason(error)}") from error
    if key is not None and isinstance(state, dict):
        state = state.get(key, state)
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        place = "at its top level" if key is None else f"at its top level or under {key!r}"
        raise CheckpointUnreadable(f"{path} holds no flat table of tensors {place}")
    return state


def _reason(error: Exception) -> str:
    """Torch's advice to unpickle freely is not for files that come from elsewhere."""
    if isinstance(error, pickle.UnpicklingError):
        return "it pickles something that is neither tensor nor number, of which nothing was run; get the official file"
    return f"{str(error).partition('. ')[0]}; it may have been cut off on its way"


def load_state(
    network: nn.Module,
    state: Mapping[str, Tensor],
    own_key: Callable[[str], str] = str,
    unread: nn.Module | None = None,
) -> None:
    """Strict load that names every missing, unexpected and wrongly shaped key; `own_key` and `unread`: see `Family`."""
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    names = fitting_keys(network, shapes, own_key, unread)
    network.load_state_dict({names[key]: value for key, value in state.items() if key in names}, strict=True)


def fitting_keys(
    network: nn.Module,
    shapes: Mapping[str, tuple[int, ...]],
    own_key: Callable[[str], str] = str,
    unread: nn.Module | None = None,
) -> dict[str, str]:
    """The network's own key of every key of a checkpoint that it reads; raises `CheckpointMismatch`.

    `shapes` are the checkpoint's, so that nothing of it needs to be read for this.
    """
    skipped = {key: tuple(value.shape) for key, value in unread.state_dict().items()} if unread else {}
    own = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    renamed = not own.keys() <= shapes.keys()  # some are published under our names too, and own_key is not for those
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
