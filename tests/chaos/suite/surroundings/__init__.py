"""Surroundings by name, each a context manager that starts and ends what the suite needs around a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from chaos.suite.surroundings.faulty_store import faulty_store
from chaos.suite.surroundings.moving_database import moving_database
from chaos.suite.surroundings.second_worker import second_worker, shifted_clock
from chaos.suite.surroundings.small_disk import small_disk
from chaos.suite.surroundings.surrounding import Place, Surroundings


@contextmanager
def plain(_place: Place) -> Iterator[Surroundings]:
    yield Surroundings()


KINDS: Mapping[str, Callable[[Place], AbstractContextManager[Surroundings]]] = {
    "plain": plain,
    "second worker": second_worker,
    "shifted clock": shifted_clock,
    "small disk": small_disk,
    "moving database": moving_database,
    "faulty store": faulty_store,
}
