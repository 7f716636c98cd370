"""One `samfleet survey run` for all measurements that the answer lacks."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from samfleet.advice.candidates import Candidate
from samfleet.advice.next_steps import Place, promising
from samfleet.advice.question import Question
from samfleet.advice.ranking import Ranked
from samfleet.advice.settings import FOLDER, INSTANCES, brief_task, licences_to_accept

PLAN = "own"  # measures the user's own images, without published quality beside
OUT = "survey"
GRIDS = (16, 32, 64)
FEWEST = 2  # one variant is a single job, which the steps have


@dataclass(frozen=True, slots=True)
class SurveyStep:
    """Command of a survey over unmeasured variants. Names in capitals are for the user to replace."""

    variants: tuple[str, ...]
    command: str
    reason: str


def survey_step(
    question: Question, ranked: Sequence[Ranked], place: Place, accepted: Iterable[str]
) -> SurveyStep | None:
    """Return the survey that measures all variants that could change the answer, the most promising first.

    None for fewer than two variants, and for tasks that a survey does not name, such as boxes of a detector.
    """
    named = [(one.candidate, survey_task(one.candidate)) for one in promising(question, ranked)]
    chosen = [(candidate, task) for candidate, task in named if task is not None]
    variants = tuple(dict.fromkeys(candidate.variant for candidate, _ in chosen))
    if len(variants) < FEWEST:
        return None
    tasks = dict.fromkeys(task for _, task in chosen)
    pools = {place.pool_of(candidate) for candidate, _ in chosen} - {None}
    words = ["samfleet", "survey", "run", "--plan", PLAN]
    words += [part for task in tasks for part in ("--task", task)]
    words += [part for name in variants for part in ("--variant", name)]
    words += ["--images", place.directory or FOLDER, "--annotations", INSTANCES]
    words += [part for pool in sorted(filter(None, pools)) for part in ("--pool", pool)]
    reason = f"measures all {len(variants)} variants that could change the answer, one job at a time"
    licences = frozenset(accepted)
    missing = dict.fromkeys(part for candidate, _ in chosen for part in licences_to_accept(candidate, licences))
    if missing:
        reason = f"{reason}; accept {', '.join(missing)} first, or their variants are skipped"
    return SurveyStep(variants, shlex.join([*words, "--out", OUT]), reason)


def survey_task(candidate: Candidate) -> str | None:
    """Return the name of the candidate's task in a survey; None if a survey has no such task."""
    task, brief = candidate.task, brief_task(candidate)
    if task.get("kind") == "prompts":
        return str(task["prompt"]) if set(brief) <= {"kind", "prompt", "from"} else None
    if task.get("sampler", "grid") != "grid":
        return "own_method" if set(brief) == {"kind"} else None
    side = task.get("points_per_side")
    return f"grid_{side}" if side in GRIDS and set(brief) <= {"kind", "points_per_side"} else None
