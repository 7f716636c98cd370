"""The answer to a question: ranked candidates, the settings of the recommended one, and what to measure next."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.advice.candidates import measured_candidates, select_newest, unmeasured_candidates
from samfleet.advice.figures import MEASURES
from samfleet.advice.licence_rules import excluded_parts
from samfleet.advice.machines import HERE, Chosen, choose_hardware, machines_of
from samfleet.advice.measurements import Measurement, read_measurements
from samfleet.advice.memory import read_memory
from samfleet.advice.next_steps import Place, Step, next_steps
from samfleet.advice.question import Question
from samfleet.advice.ranking import Ranked, rank, recommended
from samfleet.advice.settings import Settings, settings_of
from samfleet.advice.survey_step import SurveyStep, survey_step
from samfleet.advice.tasks_measured import Scope, choose_scope
from samfleet.advice.words import figure_words
from samfleet.db.models import Dataset, Hardware, ReportSeries
from samfleet.reports.known_hardware import known_hardware
from samfleet.reports.query import ReportQuery
from samfleet.site_names import LOCAL_SITE


@dataclass(frozen=True, slots=True)
class Answer:
    """`settings` are those of the recommended candidate, the first one; None if no measurement recommends any.

    `steps_left_out` counts steps beyond the listed ones. `survey` measures all unmeasured variants of the steps, also
    those left out; None for fewer than two. `notes` explain how the evidence was chosen.
    """

    question: Question
    hardware: str
    dataset: str | None
    summary: str
    notes: tuple[str, ...]
    ranked: Sequence[Ranked]
    settings: Settings | None
    steps: Sequence[Step]
    steps_left_out: int
    survey: SurveyStep | None


def advise(
    session: Session,
    tenant_id: uuid.UUID,
    question: Question,
    *,
    reachable: Collection[uuid.UUID],
    accepted: Collection[str],
) -> Answer:
    """Answer a question from the tenant's measurements, published figures and the variants' records.

    `reachable` are the ids of the hardware of live pools, `accepted` the licences that the server accepts. Nothing
    measured is an answer too: it lists what to measure. Raises `AdviceInvalid`, `DatasetUnknown`, `HardwareUnknown` or
    `HardwareAmbiguous`.
    """
    excluded_parts(question.exclude_licences)
    query = ReportQuery(tenant_id)
    known = known_hardware(session, tenant_id)
    chosen = choose_hardware(known, question.hardware, reachable)
    scope = choose_scope(session, query, question)
    every = read_measurements(session, query, question, scope)
    selected = select_newest(every, chosen.machines)
    newest = [one.measurement for one in selected]
    memory = read_memory(session, query, scope.dataset, newest) if scope.dataset and newest else {}
    measured = measured_candidates(question, selected, memory, every)
    ranked = rank(question, [*measured, *unmeasured_candidates(question, chosen, measured, every)])
    place = _place(session, tenant_id, scope, known, every)
    steps, left_out = next_steps(question, ranked, place, accepted)
    best = recommended(ranked)
    return Answer(
        question,
        chosen.words,
        scope.dataset,
        _summary(question, chosen, scope, ranked),
        _notes(question, chosen, scope, ranked),
        ranked,
        settings_of(best.candidate, accepted) if best else None,
        steps,
        left_out,
        survey_step(question, ranked, place, accepted),
    )


def _place(
    session: Session, tenant_id: uuid.UUID, scope: Scope, known: Sequence[Hardware], every: Sequence[Measurement]
) -> Place:
    """Find the dataset of the scope on this server, and the local pool of each measured machine."""
    content = select(ReportSeries.dataset_content).where(
        ReportSeries.tenant_id == tenant_id, ReportSeries.dataset == scope.dataset
    )
    mine = select(Dataset.id, Dataset.directory).where(
        Dataset.tenant_id == tenant_id, Dataset.deleted_at.is_(None), Dataset.content_sha256.in_(content)
    )
    row = session.execute(mine.order_by(Dataset.created_at.desc(), Dataset.id).limit(1)).one_or_none()
    names = {one: machine.name for machine in machines_of(known) for one in machine.ids}
    pools = {
        names[one.hardware_id]: one.pool
        for one in sorted(every, key=lambda one: one.last_hour)
        if one.site == LOCAL_SITE and one.hardware_id in names
    }
    return Place(str(row.id) if row else None, row.directory if row else None, pools)


def _summary(question: Question, chosen: Chosen, scope: Scope, ranked: Sequence[Ranked]) -> str:
    best = recommended(ranked)
    if best:
        figure = best.candidate.figure(question.objective)
        where = f" on {best.candidate.machine.name}" if best.candidate.machine else ""
        what = f"{MEASURES[question.objective].title} {figure_words(figure)}"
        return f"{best.candidate.variant} in {best.candidate.execution}{where}: {what}"
    if not ranked:
        return f"no variant takes the task {question.task}"
    if scope.dataset is None:
        return f"nothing has been measured for the task {question.task} yet; the steps below say what to measure"
    possible = [one for one in ranked if one.status == "possible"]
    if not possible:
        return f"no variant meets the constraints on {chosen.words}"
    closest = possible[0].candidate.variant
    return f"no measurement meets all constraints on {chosen.words}; the closest is {closest}, {possible[0].reason}"


def _notes(question: Question, chosen: Chosen, scope: Scope, ranked: Sequence[Ranked]) -> tuple[str, ...]:
    found = []
    if scope.dataset is not None:
        found.append(f"all figures are of the dataset {scope.dataset}: {scope.why}")
    if question.hardware and question.hardware.casefold() == HERE and not chosen.machines:
        found.append("no reachable pool has computed an image yet, so this hardware is unknown; name one with hardware")
    if chosen.published is not None:
        found.append("published figures recommend nothing: measure on this hardware, or import its measurements")
    quality = [check.figure for one in ranked for check in one.checks if check.measure in {"miou", "ap", "ar"}]
    if any(figure.measured and figure.low is None for figure in quality):
        found.append("some figures of quality have no interval: compare them with their number of objects in mind")
    if any(one.candidate.figure("memory").value is not None for one in ranked):
        found.append("memory is what torch reserved on a GPU, and the peak resident size of the process on a CPU")
    return tuple(found)
