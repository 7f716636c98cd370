"""One action on many jobs, in as many requests as the server needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from samfleet.client.schemas import ActedOn
from samfleet.client.steps import Call, Steps, ask
from samfleet.client.values import unchanged, without_none

MOST_IDS = 1000  # of a request


def acted_on(action: str, job_ids: Sequence[str] | None, fields: Mapping[str, Any]) -> Steps[list[ActedOn]]:
    """Carry out the action on the jobs of these ids, or on those of the `filter` in `fields`."""
    ids = list(job_ids or ())
    parts = [None] if job_ids is None else [ids[at : at + MOST_IDS] for at in range(0, len(ids), MOST_IDS)]
    found: list[ActedOn] = []
    for part in parts:
        found += yield from _carried_out(without_none({"action": action, "job_ids": part, **fields}))
    return found


def _carried_out(body: Mapping[str, Any]) -> Steps[list[ActedOn]]:
    # a second retry of a job is refused, which would look like a failure of the first
    repeatable = body["action"] != "retry"
    found: list[ActedOn] = []
    cursor: str | None = None
    while True:
        request = {"json": body, "params": without_none({"cursor": cursor})}
        page = yield from ask(Call("POST", "/v1/job-actions", unchanged, request, repeatable=repeatable))
        found += map(ActedOn.model_validate, page["items"])
        cursor = page["next"]
        if cursor is None:
            return found
