"""A fresh stack with the variants of the suite, in given surroundings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.suite.inputs import VARIANTS
from fixtures.servers.chaos_stack import ChaosStack
from fixtures.servers.running_stack import running_stack

SHARD_SIZE = 8


@dataclass(frozen=True, slots=True)
class Folders:
    """`pictures`, `variants` and `weights` are the same for all scenarios; `state` is the scenario's own."""

    pictures: Path
    variants: Path
    weights: Path
    state: Path


@contextmanager
def suite_stack(folders: Folders, settings: Mapping[str, str]) -> Iterator[ChaosStack]:
    own = {
        "SAMFLEET_VARIANTS": ",".join(VARIANTS),
        "SAMFLEET_VARIANTS_DIR": str(folders.variants),
        "SAMFLEET_WEIGHTS_DIR": str(folders.weights),
        "SAMFLEET_DEVICE": "cpu",
        "SAMFLEET_SHARD_SIZE": str(SHARD_SIZE),
        "OMP_NUM_THREADS": "1",
        **settings,
    }
    with running_stack(folders.state, **own) as samfleet:
        yield ChaosStack(samfleet, folders.state, own)
