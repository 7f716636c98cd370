"""A request for a job, and the reasons for which one is refused."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from samfleet.errors import Conflict, InvalidInput
from samfleet.jobs.sharing import DEFAULT_PRIORITY
from samfleet.jobs.task import JobTask


class JobInvalid(InvalidInput):
    """The job is not valid."""

    code = "job_invalid"


class PoolNotFound(InvalidInput):
    """The pool does not exist."""

    code = "pool_unknown"


class AnnotationsMissing(InvalidInput):
    """The dataset has no annotations for prompts or the evaluation; add a COCO file before sealing it."""

    code = "annotations_missing"


class ReuseNotPossible(InvalidInput):
    """The masks of this task depend on more than the images, such as boxes of the dataset; leave reuse_results out."""

    code = "reuse_not_possible"


class DetectionsMissing(InvalidInput):
    """The dataset has no detections to take boxes from; add a detections file before sealing it."""

    code = "detections_missing"


class PromptsMissing(InvalidInput):
    """The dataset has no prompts file; add one before sealing it."""

    code = "prompts_missing"


class IdempotencyConflict(Conflict):
    """This Idempotency-Key was used for another request; use a new key for a new job."""

    code = "idempotency_conflict"


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A request for a job, with `task` in its REST form.

    Without `pools` the first configured one is used. `evaluate` None means True if the dataset has annotations.
    `parent_id` is the job that this one runs again. After its end the job is kept `keep_days`; None means the server's
    default. `exports` are those of `Job.exports`; the caller has checked them.
    """

    tenant_id: uuid.UUID
    dataset_id: uuid.UUID
    variants: Sequence[str]
    task: Mapping[str, Any]
    pools: Sequence[str] = ()
    name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    notes: str | None = None
    max_failure_rate: float = 1.0
    evaluate: bool | None = None
    idempotency_key: str | None = None
    parent_id: uuid.UUID | None = None
    keep_days: int | None = None
    priority: int = DEFAULT_PRIORITY
    reuse_results: bool = False
    exports: Sequence[Mapping[str, Any]] = ()

    def sha256(self, task: JobTask) -> str:
        """Return a hash that tells whether two requests with the same idempotency key are equal."""
        body: dict[str, Any] = {
            "dataset_id": str(self.dataset_id),
            "variants": list(self.variants),
            "pools": list(self.pools),
            "task": task.to_dict(),
            "name": self.name,
            "max_failure_rate": self.max_failure_rate,
        }
        for name in ("labels", "notes", "evaluate", "keep_days"):
            if (value := getattr(self, name)) not in (None, {}):
                body[name] = value
        if self.priority != DEFAULT_PRIORITY:
            body["priority"] = self.priority
        if self.reuse_results:
            body["reuse_results"] = True
        if self.exports:
            body["exports"] = list(self.exports)
        if self.parent_id is not None:
            body["parent_id"] = str(self.parent_id)
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
