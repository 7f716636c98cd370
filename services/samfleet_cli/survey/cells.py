"""Cells of a plan: one measurement each, of a variant with a task on a dataset and a pool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from samfleet.variants.stand_ins import is_stand_in, stands_for
from samfleet_cli.survey.datasets import DatasetKey
from samfleet_cli.survey.plan import HERE, STAND_INS, Block, Plan
from samfleet_cli.survey.tasks import SurveyTask


@dataclass(frozen=True, slots=True)
class HostedVariant:
    """A variant of the server, as far as a plan needs it."""

    name: str
    weights_here: bool
    sampler: str

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Self:
        ready = bool(item["weights_here"]) and not item["licences_to_accept"]
        return cls(str(item["name"]), ready, str(item["everything"].get("sampler", "grid")))


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement. `pool` None is the server's first one, `execution` None what it serves; `repeat` starts at 1."""

    task: str
    dataset: DatasetKey
    variant: str
    pool: str | None
    execution: str | None
    repeat: int

    @property
    def key(self) -> str:
        """Identity of the cell, stable over restarts and changes of the plan."""
        where = (self.pool or "first pool", self.execution or "as served")
        parts = (self.task, self.dataset, self.variant, *where, self.repeat)
        return " / ".join(map(str, parts))


def cells_of(plan: Plan, hosted: Sequence[HostedVariant]) -> list[Cell]:
    """Return all cells of a plan in their order, without repetitions."""
    return list(dict.fromkeys(cell for block in plan.measurements for cell in _of_block(plan, block, hosted)))


def _of_block(plan: Plan, block: Block, hosted: Sequence[HostedVariant]) -> Iterator[Cell]:
    samplers = {variant.name: variant.sampler for variant in hosted}
    for name in block.tasks:
        task = plan.task(name)
        for dataset in block.datasets:
            key = DatasetKey(dataset, _shape(plan, dataset, task), _least(block.limit, plan.datasets[dataset].limit))
            for variant in _variants(block, hosted):
                if task.own_samplers and samplers.get(variant) == "grid":
                    continue
                for pool in block.pools or (None,):
                    for execution in block.executions or (None,):
                        for repeat in range(1, block.repeats + 1):
                            yield Cell(name, key, variant, pool, execution, repeat)


def _variants(block: Block, hosted: Sequence[HostedVariant]) -> Iterator[str]:
    named = [name for name in block.variants if name not in {HERE, STAND_INS}]
    yield from named
    ready = [variant.name for variant in hosted if variant.weights_here and variant.name not in named]
    if HERE in block.variants:
        yield from (name for name in ready if not is_stand_in(name))
    if STAND_INS in block.variants:
        real = set(named) | {name for name in ready if not is_stand_in(name)}
        yield from (name for name in ready if is_stand_in(name) and stands_for(name) not in real)


def _shape(plan: Plan, dataset: str, task: SurveyTask) -> Any:
    return "images" if task.shape == "annotations" and plan.datasets[dataset].annotations is None else task.shape


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
