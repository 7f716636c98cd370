"""Surroundings of a stack: settings of its parts, and what the suite does to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from chaos.suite.job import Hit, kill, lose_messages
from fixtures.servers.chaos_stack import ChaosStack
from samfleet.storage.factory import open_store
from samfleet.storage.store import ObjectStore

EVERYWHERE: Mapping[str, Hit] = {"kill": kill, "flush": lose_messages}


class NotPossibleHere(Exception):
    """This machine lacks what a scenario needs; the message names it."""


def _store_of_stack(stack: ChaosStack) -> ObjectStore:
    return open_store(stack.samfleet.info.storage_url)


@dataclass(frozen=True)
class Surroundings:
    """`settings` are those of all parts of the stack.

    `hits` makes the strikes by kind. `beside` runs next to the running stack during the job. `calm` ends all
    disturbances after the job. `open_store` opens the object store without any disturbance.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    hits: Mapping[str, Hit] = field(default_factory=lambda: EVERYWHERE)
    beside: Callable[[ChaosStack], AbstractContextManager[object]] = lambda _stack: nullcontext()
    calm: Callable[[], None] = lambda: None
    open_store: Callable[[ChaosStack], ObjectStore] = _store_of_stack


@dataclass(frozen=True, slots=True)
class Place:
    """An empty folder for a scenario, and the seed of its random choices."""

    folder: Path
    seed: int
