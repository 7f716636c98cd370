from __future__ import annotations

import pytest

from samfleet_cli.local_stack.part import DependencyCycle, PartSpec, in_start_order


def _part(name: str, *depends_on: str) -> PartSpec:
    return PartSpec(name, ("true",), depends_on=depends_on)


def test_dependencies_come_first() -> None:
    parts = [_part("worker", "migrate", "redis"), _part("migrate", "postgres"), _part("redis"), _part("postgres")]

    names = [part.name for part in in_start_order(parts)]

    assert names == ["redis", "postgres", "migrate", "worker"]


def test_an_external_dependency_is_ignored() -> None:
    assert [part.name for part in in_start_order([_part("api", "postgres")])] == ["api"]


def test_a_dependency_cycle_names_its_parts() -> None:
    with pytest.raises(DependencyCycle, match="one, two"):
        in_start_order([_part("one", "two"), _part("two", "one"), _part("three")])
