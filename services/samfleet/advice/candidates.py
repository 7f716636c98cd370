"""Candidates: a variant in one execution on one machine, pool and site, with one task, and its figures."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from samfleet.advice.figures import Figure
from samfleet.advice.hints import TIMES, Hint, hints_of, published_quality, published_time, weights_bytes
from samfleet.advice.machines import Chosen, Machine
from samfleet.advice.measurements import Measurement, evidence_of
from samfleet.advice.memory import Key, key_of
from samfleet.advice.question import QUALITIES, Question, Task
from samfleet.reports.task_words import task_words
from samfleet.site_names import LOCAL_SITE
from samfleet.variants.catalogue import VARIANTS
from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, TaskInvalid

REFERENCE = str(Execution())


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible answer. `measurement` is None if it was not measured on the question's hardware.

    `older` counts measurements of the same variant, execution, machine and task that a newer one replaces.
    """

    variant: str
    execution: str
    task: Mapping[str, Any]
    figures: Mapping[str, Figure]
    hints: tuple[Hint, ...] = ()
    machine: Machine | None = None
    hardware_id: uuid.UUID | None = None
    pool: str | None = None
    site: str | None = None
    measurement: Measurement | None = None
    older: int = 0

    @property
    def record(self) -> VariantRecord | None:
        """The variant's record; None for a variant that only another site has."""
        return VARIANTS.get(self.variant)

    @property
    def task_in_words(self) -> str:
        return task_words(self.task)

    def figure(self, measure: str) -> Figure:
        return self.figures.get(measure) or Figure(measure)


@dataclass(frozen=True, slots=True)
class Selected:
    """The newest measurement of a candidate."""

    measurement: Measurement
    machine: Machine
    older: int = field(default=0)


def select_newest(measurements: Iterable[Measurement], machines: Iterable[Machine]) -> list[Selected]:
    """Choose one measurement for each variant, execution, machine, pool, site and task on the `machines`.

    The newest with enough batches for an interval wins, or the newest if none has enough. So code versions, versions of
    torch and checkpoints are never averaged.
    """
    by_id = {one: machine for machine in machines for one in machine.ids}
    grouped: dict[tuple[str, ...], list[tuple[Machine, Measurement]]] = defaultdict(list)
    for one in measurements:
        if one.hardware_id is not None and (machine := by_id.get(one.hardware_id)):
            key = (one.variant, one.execution, machine.name, one.pool, one.site, one.task_in_words)
            grouped[key].append((machine, one))
    found = []
    for same in grouped.values():
        machine, newest = max(
            same, key=lambda pair: (pair[1].enough, pair[1].last_hour, pair[1].code_version, pair[1].parameters)
        )
        found.append(Selected(newest, machine, len(same) - 1))
    return found


def measured_candidates(
    question: Question, selected: Sequence[Selected], memory: Mapping[Key, Figure], every: Sequence[Measurement]
) -> list[Candidate]:
    """Return candidates of selected measurements. `every` has those of all machines."""
    found = []
    for one in selected:
        measurement = one.measurement
        figures = {**measurement.figures, "memory": _memory_of(measurement, memory)}
        figures |= _quality_elsewhere(question, measurement, every)
        found.append(
            Candidate(
                measurement.variant,
                measurement.execution,
                measurement.task,
                _with_published(question, measurement.variant, figures),
                hints_of(question.task, measurement.variant),
                one.machine,
                measurement.hardware_id,
                measurement.pool,
                measurement.site,
                measurement,
                one.older,
            )
        )
    return found


def unmeasured_candidates(
    question: Question, chosen: Chosen, measured: Iterable[Candidate], every: Sequence[Measurement]
) -> list[Candidate]:
    """Return a candidate in plain fp32 for each hosted variant without a measurement on the chosen hardware."""
    done = {one.variant for one in measured}
    found = []
    for record in VARIANTS.values():
        if record.name in done or (task := default_task(question.task, record)) is None:
            continue
        elsewhere = tuple(_measured_elsewhere(record.name, every, chosen))
        hints = (*elsewhere, *hints_of(question.task, record.name))
        known = {**_published_time(question, chosen, record.name), "memory": _least_memory(record.name, REFERENCE)}
        figures = _with_published(question, record.name, known)
        found.append(Candidate(record.name, REFERENCE, task, figures, hints, chosen.only))
    return found


def default_task(task: Task, record: VariantRecord) -> dict[str, Any] | None:
    """Return the task with the variant's defaults; None if the variant does not support it."""
    if task in {"box", "center_point"}:
        rules = record.conventions.prompts
        supported = rules.boxes if task == "box" else rules.points
        prompts = {"kind": "prompts", "prompt": task, "from": "annotations", "multimask": task == "center_point"}
        return prompts if supported else None
    parameters = record.everything
    if task == "detections":
        parameters = EverythingParameters(sampler="object_aware", boxes_from="detections")
    try:
        record.conventions.check_task(parameters, record.name)
    except TaskInvalid:
        return None
    return parameters.to_dict()


def _memory_of(one: Measurement, memory: Mapping[Key, Figure]) -> Figure:
    return memory.get(key_of(one)) or _least_memory(one.variant, one.execution)


def _least_memory(variant: str, execution: str) -> Figure:
    """Return the size of the weights, which the memory exceeds. Other executions may hold them in fewer bytes."""
    weights = weights_bytes(variant) if execution == REFERENCE else None
    if weights is None:
        return Figure("memory", where="no image has a memory")
    return Figure("memory", weights, "counted", where="as the weights alone in fp32")


def _quality_elsewhere(question: Question, one: Measurement, every: Sequence[Measurement]) -> dict[str, Figure]:
    """Return figures of quality that only another machine measured, in plain fp32 with the same task and weights.

    Plain fp32 computes the same masks on every machine up to rounding. Other executions need a gate on each machine.
    """
    if one.execution != REFERENCE:
        return {}
    found: dict[str, Figure] = {}
    for name in QUALITIES[question.task]:
        same = [
            other
            for other in every
            if (other.variant, other.execution, other.parameters) == (one.variant, REFERENCE, one.parameters)
            and name in other.figures
        ]
        if name not in one.figures and same:
            newest = max(same, key=lambda other: (other.site == LOCAL_SITE, other.last_hour))
            where = "on another machine" if newest.site == LOCAL_SITE else f"at site {newest.site}"
            found[name] = replace(newest.figures[name], evidence="measured elsewhere", where=where)
    return found


def _with_published(question: Question, variant: str, figures: Mapping[str, Figure]) -> dict[str, Figure]:
    """Add the published quality where none was measured."""
    hint = published_quality(question.task, variant)
    if hint is None or hint.measure in figures:
        return dict(figures)
    return {**figures, hint.measure: Figure(hint.measure, hint.value, "published", where=f"on {hint.source}")}


def _published_time(question: Question, chosen: Chosen, variant: str) -> dict[str, Figure]:
    """Return the published time on the chosen hardware, if that is of the question's task."""
    if chosen.published is None or chosen.published not in TIMES[question.task]:
        return {}
    hint = published_time(chosen.published, variant)
    return {"latency": Figure("latency", hint.value, "published", where=f"on {hint.source}")} if hint else {}


def _measured_elsewhere(variant: str, every: Sequence[Measurement], chosen: Chosen) -> Iterable[Hint]:
    """Yield the newest time of the variant in plain fp32 on other hardware."""
    others = [
        one
        for one in every
        if one.variant == variant
        and one.execution == REFERENCE
        and one.hardware_id not in chosen.ids
        and one.figure("latency").measured
    ]
    if others:
        newest = max(others, key=lambda one: (one.site == LOCAL_SITE, one.last_hour))
        evidence, where = evidence_of(newest.site)
        value = newest.figure("latency").value or 0.0
        yield Hint("latency", value, "ms", f"{evidence} {where}".strip() + " on other hardware")
