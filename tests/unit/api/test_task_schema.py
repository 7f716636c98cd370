"""The task's schema in the OpenAPI document states the ranges that the parameters check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from samfleet.variants.task import EverythingParameters, TaskInvalid, task_from_dict
from samfleet_api.jobs.schemas import SubmitJob
from samfleet_api.jobs.task_schemas import SAMPLERS_EXTENSION


def parameters() -> dict[str, dict[str, Any]]:
    everything = SubmitJob.model_json_schema()["properties"]["task"]["oneOf"][0]["properties"]
    return {name: schema for name, schema in everything.items() if name not in {"kind", "tile"}}


def ranges() -> Iterator[tuple[str, float, float, float]]:
    """Yield name, minimum, maximum and the step beyond which a value is outside."""
    for name, schema in parameters().items():
        for kind in schema.get("anyOf", [schema]):
            if "minimum" in kind:
                yield name, kind["minimum"], kind["maximum"], 1 if kind["type"] == "integer" else 0.5


def test_every_number_has_a_range() -> None:
    numbers = {
        name
        for name, schema in parameters().items()
        for kind in schema.get("anyOf", [schema])
        if kind.get("type") in {"integer", "number"}
    }
    assert numbers == {name for name, *_ in ranges()}
    assert len(numbers) == 19


@pytest.mark.parametrize(("name", "least", "most", "step"), list(ranges()))
def test_bounds_are_accepted_and_what_is_beyond_is_refused(name: str, least: float, most: float, step: float) -> None:
    def made(value: Any) -> Any:
        given: dict[str, Any] = {name: value}
        return getattr(EverythingParameters(**given), name)

    for inside in (least, most):
        assert made(inside) == inside
    for outside in (least - step, most + step):
        with pytest.raises(TaskInvalid, match=name):
            made(outside)


def test_samplers_are_those_that_take_the_parameter() -> None:
    for name, schema in parameters().items():
        for sampler in parameters()["sampler"]["enum"]:
            given = {"kind": "everything", "sampler": sampler, name: schema["default"]} | {"sampler": sampler}
            if sampler in schema[SAMPLERS_EXTENSION]:
                task_from_dict(given)
            else:
                with pytest.raises(TaskInvalid, match=f"does not take {name}"):
                    task_from_dict(given)
