"""Settings of a recommended candidate: environment, body of `POST /v1/jobs`, and command."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from samfleet.advice.candidates import REFERENCE, Candidate
from samfleet.licences import SETTING, restricted_parts
from samfleet.site_names import LOCAL_SITE

EXECUTION = "SAMFLEET_EXECUTION"
FOLDER, INSTANCES, DETECTIONS, OUT = "FOLDER", "INSTANCES.json", "DETECTIONS.json", "out"


@dataclass(frozen=True, slots=True)
class Settings:
    """`environment` is for the server and its Triton, without defaults. `job` lacks only the dataset's id."""

    environment: Mapping[str, str]
    job: Mapping[str, Any]
    command: str


def settings_of(candidate: Candidate, accepted: Collection[str]) -> Settings:
    """Return the settings of a candidate. `accepted` are the licences that the server accepts already."""
    environment = {}
    if candidate.execution != REFERENCE:
        environment[EXECUTION] = f"{candidate.variant}={candidate.execution}"
    if missing := licences_to_accept(candidate, accepted):
        environment[SETTING] = ",".join(sorted({*accepted, *missing}))
    pool = candidate.pool if candidate.site == LOCAL_SITE else None
    return Settings(environment, job_of(candidate, pool), command_of(candidate, pool))


def licences_to_accept(candidate: Candidate, accepted: Collection[str]) -> tuple[str, ...]:
    """Return the restricted licences of the weights that are not accepted yet."""
    record = candidate.record
    return tuple(part for part in restricted_parts(record.weights_licence) if part not in accepted) if record else ()


def job_of(candidate: Candidate, pool: str | None) -> dict[str, Any]:
    """Return the body of `POST /v1/jobs` without `dataset_id`."""
    body: dict[str, Any] = {"variants": [candidate.variant], "task": brief_task(candidate)}
    return {**body, "pools": [pool]} if pool else body


def brief_task(candidate: Candidate) -> dict[str, Any]:
    """Return the task without the variant's defaults, which a job fills in again."""
    task, record = candidate.task, candidate.record
    defaults: Mapping[str, Any] = record.everything.to_dict() if record else {}
    if task.get("kind") == "prompts":
        defaults = {"multimask": task.get("prompt") == "center_point"}
    return {name: value for name, value in task.items() if name == "kind" or defaults.get(name) != value}


def command_of(candidate: Candidate, pool: str | None, *, folder: str = FOLDER) -> str:
    """Return the `samfleet segment` command of the candidate's task. Names in capitals are for the user to replace."""
    words = ["samfleet", "segment", folder, "--variant", candidate.variant, *_task_options(candidate)]
    return shlex.join([*words, *(["--pool", pool] if pool else []), "--out", OUT])


def _task_options(candidate: Candidate) -> list[str]:
    task = brief_task(candidate)
    if task["kind"] == "prompts":
        masks = {True: ["--multimask"], False: ["--single-mask"]}.get(task.get("multimask", ""), [])
        return ["--task", str(task["prompt"]), *masks, "--annotations", INSTANCES]
    options = [part for name, value in task.items() if name != "kind" for part in _option(name, value)]
    boxes = ["--detections", DETECTIONS] if task.get("boxes_from") == "detections" else []
    return [*options, *boxes, "--annotations", INSTANCES]


def _option(name: str, value: Any) -> list[str]:
    return [f"--{name.replace('_', '-')}", str(value)]
