"""Descriptions of tasks: `everything, 8 points per side`. Two tasks have the same words only if they are equivalent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from samfleet.variants.task import EverythingParameters

_DEFAULTS = asdict(EverythingParameters())
_NAMED_FIRST = {"kind", "sampler", "points_per_side", "boxes_from"}
_POINT_PROMPTS = {"center_point", "random_points"}  # these predict three masks by default


def task_words(task: Any) -> str:
    """Describe a task; parameters with the default of the official generator are left out.

    The task may come from another site, so it can be any JSON value.
    """
    if isinstance(task, Mapping) and task.get("kind") == "everything":
        return ", ".join(_everything(task))
    if isinstance(task, Mapping) and task.get("kind") == "prompts":
        return ", ".join(_prompts(task))
    return json.dumps(task, sort_keys=True)


def _everything(task: Mapping[str, Any]) -> Iterator[str]:
    yield "everything"
    if "points_per_side" in task:
        yield f"{task['points_per_side']} points per side"
    if task.get("sampler", "grid") != "grid":
        yield f"sampler {_text(task['sampler'])}"
    if "boxes_from" in task:
        yield f"boxes from {_text(task['boxes_from'])}"
    for name in sorted(set(task) - _NAMED_FIRST):
        if task[name] != _DEFAULTS.get(name):
            yield f"{_text(name)} {_text(task[name])}"


def _prompts(task: Mapping[str, Any]) -> Iterator[str]:
    yield "prompts"
    yield _text(task.get("prompt"))
    if "multimask" in task and task["multimask"] is not (task.get("prompt") in _POINT_PROMPTS):
        yield "best of three masks" if task["multimask"] is True else "single mask"
    for name in sorted(set(task) - {"kind", "prompt", "multimask"}):
        if name != "from" or task[name] != ("prompts" if task.get("prompt") == "file" else "annotations"):
            yield f"{_text(name)} {_text(task[name])}"


def _text(value: Any) -> str:
    return value.replace("_", " ") if isinstance(value, str) else json.dumps(value, sort_keys=True)
