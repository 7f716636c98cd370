"""Reads official weight files: verified by hash, never unpickled freely, loaded strictly."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from samfleet.errors import SamfleetError
from samfleet.variants.record import VariantRecord

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


def load_checkpoint(network: nn.Module, record: VariantRecord, path: Path) -> None:
    """Loads the record's official file into `network`; its sha256 is checked before anything is read from it."""
    if not path.is_file():
        raise CheckpointMissing(f"{path} does not exist; run `samfleet variants pull {record.name}`")
    found = file_sha256(path)
    if found != record.checkpoint.sha256:
        raise CheckpointHashMismatch(
            f"{path} has sha256 {found}, the published file of {record.name} has {record.checkpoint.sha256}; "
            f"delete it and run `samfleet variants pull {record.name}`"
        )
    load_state(network, read_state(path))


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a file; nothing but tensors is unpickled."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling a damaged file raises nearly anything
        raise CheckpointUnreadable(f"{path} is not a PyTorch checkpoint of tensors: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointUnreadable(f"{path} holds no flat table of tensors at its top level")
    return state


def load_state(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Strict load that names every missing, unexpected and wrongly shaped key."""
    own = network.state_dict()
    problems = {
        "missing": sorted(own.keys() - state.keys()),
        "unexpected": sorted(state.keys() - own.keys()),
        "wrong shape": [
            f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
            for key in sorted(own.keys() & state.keys())
            if own[key].shape != state[key].shape
        ],
    }
    if any(problems.values()):
        parts = [f"{len(keys)} {kind}: {_shorten(keys)}" for kind, keys in problems.items() if keys]
        raise CheckpointMismatch("the checkpoint does not fit this architecture; " + "; ".join(parts))
    network.load_state_dict(dict(state), strict=True)


def _shorten(keys: list[str]) -> str:
    more = len(keys) - SHOWN_KEYS
    return ", ".join(keys[:SHOWN_KEYS]) + (f" and {more} more" if more > 0 else "")
