"""Measurements that could change the answer, with their commands and reasons, the most promising first."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from samfleet.advice.candidates import REFERENCE, Candidate
from samfleet.advice.figures import MEASURES
from samfleet.advice.hints import flops_of, weights_bytes
from samfleet.advice.question import Question
from samfleet.advice.ranking import Ranked, recommended
from samfleet.advice.settings import FOLDER, command_of, job_of, licences_to_accept
from samfleet.advice.words import check_words, value_words
from samfleet.site_names import LOCAL_SITE
from samfleet.variants.execution import Execution
from samfleet.variants.gates import command_of as gate_command

MOST_STEPS = 5
GATED = Execution("bf16")
GAIN = 4.0  # a precision of half the bytes rarely gains more, so a larger distance from a limit excludes for good
DOUBT = 2.0  # times estimated from operations may be wrong by this factor before they exclude a variant
BY_PRECISION = frozenset({"latency", "images_per_hour", "cost", "memory"})


@dataclass(frozen=True, slots=True)
class Step:
    """One measurement. `job` is the body of `POST /v1/jobs` for the dataset of the answer, if the step is a job on a
    dataset of this server.
    """

    variant: str
    command: str
    reason: str
    job: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Place of new measurements: the question's dataset on this server, and a pool by machine name."""

    dataset_id: str | None = None
    directory: str | None = None
    pools: Mapping[str, str] | None = None

    def pool_of(self, candidate: Candidate) -> str | None:
        if candidate.pool and candidate.site == LOCAL_SITE:
            return candidate.pool
        return (self.pools or {}).get(candidate.machine.name) if candidate.machine else None


def next_steps(
    question: Question, ranked: Sequence[Ranked], place: Place, accepted: Iterable[str]
) -> tuple[list[Step], int]:
    """Return at most `MOST_STEPS` steps, and how many more there are."""
    licences = frozenset(accepted)
    best = recommended(ranked)
    steps = [*_prices(question, ranked), *_more_images(ranked, place), *_gates(question, ranked, best)]
    steps += [_measure(one, place, licences, why) for one, why in _in_order(question, ranked, best)]
    unique = list({step.command: step for step in steps}.values())
    return unique[:MOST_STEPS], max(0, len(unique) - MOST_STEPS)


def _prices(question: Question, ranked: Sequence[Ranked]) -> Iterator[Step]:
    """Yield a step for each machine without a price, if the question is about cost."""
    for one in ranked:
        cost = next((check for check in one.open if check.measure == "cost" and check.figure.where), None)
        if one.status == "possible" and cost and one.candidate.machine and one.candidate.hardware_id:
            hardware = str(one.candidate.hardware_id)
            words = ["samfleet", "report", "price", hardware, "PER_HOUR", "--currency", question.currency]
            reason = (
                f"{cost.figure.where} for {one.candidate.machine.name}, so its cost in {question.currency} is unknown"
            )
            yield Step(one.candidate.variant, shlex.join(words), reason)


def _more_images(ranked: Sequence[Ranked], place: Place) -> Iterator[Step]:
    for one in ranked:
        unsure = [check for check in one.open if check.verdict == "cannot tell"]
        if one.status == "possible" and unsure:
            reason = f"more images decide {'; '.join(map(check_words, unsure))}"
            yield _step(one.candidate, place, reason)


def _gates(question: Question, ranked: Sequence[Ranked], best: Ranked | None) -> Iterator[Step]:
    """Yield gates of bf16 on GPUs, where half the bytes could meet a limit of time, cost or memory, or be faster."""
    measured = {
        (one.candidate.variant, one.candidate.machine.name)
        for one in ranked
        if one.candidate.machine and one.candidate.execution != REFERENCE
    }
    for one in ranked:
        candidate = one.candidate
        machine = candidate.machine
        if machine is None or machine.kind != "cuda" or candidate.execution != REFERENCE:
            continue
        if candidate.measurement is None or (candidate.variant, machine.name) in measured:
            continue
        if one.failed and all(_within_gain(check.measure, check.figure.value, check.limit) for check in one.failed):
            yield Step(
                candidate.variant, gate_command(candidate.variant, GATED), f"fp32 is {one.reason}; bf16 may meet it"
            )
        elif one is best and question.prefer in {"speed", "cost"}:
            reason = f"{candidate.variant} is recommended in fp32; bf16 may be faster"
            yield Step(candidate.variant, gate_command(candidate.variant, GATED), reason)


def _within_gain(measure: str, value: float | None, limit: float | None) -> bool:
    if measure not in BY_PRECISION or not value or not limit:
        return False
    return (value / limit if MEASURES[measure].at_most else limit / value) <= GAIN


def promising(question: Question, ranked: Sequence[Ranked]) -> list[Ranked]:
    """Return the unmeasured candidates that could become the answer, the most promising first."""
    return [one for one, _why in _in_order(question, ranked, recommended(ranked))]


def _in_order(question: Question, ranked: Sequence[Ranked], best: Ranked | None) -> list[tuple[Ranked, str]]:
    found = sorted(_promising(question, ranked, best), key=lambda pair: pair[0])
    return [pair for _key, pair in found]


Promise = tuple[tuple[float, float, str], tuple[Ranked, str]]


def _promising(question: Question, ranked: Sequence[Ranked], best: Ranked | None) -> Iterator[Promise]:
    """Yield unmeasured candidates that could become the answer, with a sort key: known hints first, the best first."""
    for one in ranked:
        candidate = one.candidate
        if one.status != "possible" or candidate.measurement is not None:
            continue
        if any(check.verdict == "would fail" for check in one.open):
            continue
        time = estimated_time(question, candidate, [other.candidate for other in ranked])
        limit = question.max_latency_ms
        if time is not None and limit is not None and time > DOUBT * limit:
            continue
        verdict = _against(question, candidate, best.candidate if best else None)
        if verdict is not None:
            known, gain, why = verdict
            about = f"; about {value_words('latency', time)} by its operations" if time is not None else ""
            yield (0.0 if known else 1.0, -gain, candidate.variant), (one, f"not measured here; {why}{about}")


def _against(question: Question, candidate: Candidate, best: Candidate | None) -> tuple[bool, float, str] | None:
    """Compare hints of the preferred figure: (known, gain, reason), or None if the candidate is not better by them.

    `gain` is a ratio above 1, or a difference of fractions. Without a recommended candidate, every hint is a reason.
    """
    name, mine, theirs, at_most = _hints(question, candidate, best)
    if mine is None:
        return False, 0.0, f"its {name} is unknown"
    if best is None:
        return True, -mine if at_most else mine, f"its {name} is {mine:.3g}"
    if theirs is None:
        return False, 0.0, f"its {name} is {mine:.3g}, and that of {best.variant} is unknown"
    better = mine < theirs if at_most else mine > theirs
    gain = theirs / mine if at_most else mine - theirs
    return (True, gain, f"its {name} is {mine:.3g}, that of {best.variant} {theirs:.3g}") if better else None


def _hints(
    question: Question, candidate: Candidate, best: Candidate | None
) -> tuple[str, float | None, float | None, bool]:
    """Return the name of a hint, its values for both candidates, and whether less is better."""
    if question.prefer == "quality":
        name = MEASURES[question.quality].title
        both = [_published(one, question.quality) if one else None for one in (candidate, best)]
        return f"published {name}", both[0], both[1], False
    if question.prefer == "memory":
        both = [weights_bytes(one.variant) if one else None for one in (candidate, best)]
        return "size of the weights in bytes", both[0], both[1], True
    both = [flops_of(question.task, one.variant) if one else None for one in (candidate, best)]
    return "number of operations", both[0], both[1], True


def _published(candidate: Candidate, measure: str) -> float | None:
    return next((hint.value for hint in candidate.hints if hint.measure == measure), None)


def estimated_time(question: Question, candidate: Candidate, others: Sequence[Candidate]) -> float | None:
    """Estimate a time in ms from the measured candidate of the same task with the closest number of operations, in
    proportion to it.

    It is a hint: devices are not equally fast at all operations.
    """
    mine = flops_of(question.task, candidate.variant)
    found = [
        (abs(math.log(flops / mine)), figure.value * mine / flops)
        for other in others
        if mine
        and other.execution == REFERENCE
        and other.task_in_words == candidate.task_in_words
        and (figure := other.figure("latency")).measured
        and figure.value is not None
        and (flops := flops_of(question.task, other.variant))
    ]
    return min(found)[1] if found else None


def _measure(one: Ranked, place: Place, accepted: frozenset[str], why: str) -> Step:
    if missing := licences_to_accept(one.candidate, accepted):
        why = f"{why}; accept {', '.join(missing)} first"
    return _step(one.candidate, place, why)


def _step(candidate: Candidate, place: Place, reason: str) -> Step:
    pool = place.pool_of(candidate)
    if candidate.site not in {None, LOCAL_SITE}:
        reason = f"{reason}; run it at site {candidate.site} and import its measurements"
    job = {"dataset_id": place.dataset_id, **job_of(candidate, pool)} if place.dataset_id else None
    command = command_of(candidate, pool, folder=place.directory or FOLDER)
    return Step(candidate.variant, command, reason, job)
