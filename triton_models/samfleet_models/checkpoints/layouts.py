"""Reads state dicts from published files, by the layout that a record names.

A `module` file is a pickle of whole modules, as ultralytics writes them. Its classes are not needed and none of its
code runs: torch's restricted unpickler reads it, and every class it names becomes an inert shell that only stores the
file's attributes. The tensors are then collected under the keys that `state_dict()` of the real module would have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from samfleet.variants.record import Checkpoint
from samfleet_models.checkpoints.loading import CheckpointUnreadable, read_state

T = TypeVar("T")

# Packages that such files name. Names of any other package are refused, although a shell could not run them.
HARMLESS = frozenset({"_codecs", "collections", "numpy", "pathlib", "torch", "types", "ultralytics"})


class Shell:
    """Replaces every class and function that a pickle names. It accepts any arguments and does nothing."""

    def __new__(cls, *_arguments: Any) -> Self:
        return super().__new__(cls)

    def __init__(self, *_arguments: Any) -> None: ...

    def __setstate__(self, state: Any) -> None:
        """Store a module's state, which is a dictionary; other states are not needed."""
        if isinstance(state, dict):
            self.__dict__.update(state)


def read_published(checkpoint: Checkpoint, path: Path) -> dict[str, Tensor]:
    """Return the state dict in the file of a record's checkpoint."""
    return READERS[checkpoint.layout](path, checkpoint.state_key)


def read_modules(path: Path, key: str | None = None) -> dict[str, Tensor]:
    """Return the tensors, by their usual keys, of a module pickled under `key` of a file's table or as the whole file.

    A plain table of tensors is accepted too, under `key` or as the whole file.
    """
    found = _unpickled(path)
    if isinstance(found, dict) and key is not None and key in found:
        found = found[key]
    if isinstance(found, Shell):
        found = dict(_tensors(found))
    if not isinstance(found, dict) or not found or not all(isinstance(value, Tensor) for value in found.values()):
        raise CheckpointUnreadable(
            f"{path} contains neither a module nor a table of tensors, at its top level or under {key!r}"
        )
    return found


def _unpickled(path: Path) -> Any:
    names = _guarded(lambda: get_unsafe_globals_in_checkpoint(path), path)
    if strange := sorted(name for name in names if name.partition(".")[0] not in HARMLESS):
        raise CheckpointUnreadable(
            f"{path} names {', '.join(strange)}, which no checkpoint needs; the file is not read"
        )
    with safe_globals([(Shell, name) for name in names]):
        return _guarded(lambda: torch.load(path, map_location="cpu", weights_only=True), path)


def _guarded(read: Callable[[], T], path: Path) -> T:
    try:
        return read()
    except Exception as error:  # unpickling a damaged file can raise nearly any exception
        raise CheckpointUnreadable(f"{path} is not a PyTorch checkpoint of modules or tensors: {error}") from error


def _tensors(module: Shell, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield parameters, persistent buffers, then those of the submodules, in the order of `Module.state_dict`."""
    non_persistent = vars(module).get("_non_persistent_buffers_set", ())
    for kind in ("_parameters", "_buffers"):
        for name, value in _table(module, kind).items():
            if isinstance(value, Tensor) and name not in non_persistent:
                yield prefix + name, value.detach()
    for name, part in _table(module, "_modules").items():
        if isinstance(part, Shell):
            yield from _tensors(part, f"{prefix}{name}.")


def _table(module: Shell, kind: str) -> Mapping[str, Any]:
    table = vars(module).get(kind)
    return table if isinstance(table, dict) else {}


READERS: dict[str, Callable[[Path, str | None], dict[str, Tensor]]] = {
    "tensors": read_state,
    "module": read_modules,
    "network": read_state,
}
