from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from samfleet.client.steps import Call, Pages
from samfleet.client.values import unchanged, without_none


def _of_run(run_id: str) -> str:
    return f"/v1/runs/{quote(run_id, safe='')}"


def _of_image(run_id: str, image_id: int) -> str:
    return f"{_of_run(run_id)}/images/{image_id}/review"


def job_review(job_id: str) -> Call[dict[str, Any]]:
    """Return the progress of the reviews of a job's runs as `items`, without categories."""
    return Call("GET", f"/v1/jobs/{quote(job_id, safe='')}/review", unchanged)


def review_progress(run_id: str) -> Call[dict[str, Any]]:
    """Return the progress of a run's review: images and masks by state, reviewers and categories."""
    return Call("GET", f"{_of_run(run_id)}/review", unchanged)


def next_to_review(run_id: str, *, after: int | None = None) -> Call[dict[str, Any]]:
    """Return `image_id` and `file_name` of the first image after `after` without a complete review, or None."""
    return Call("GET", f"{_of_run(run_id)}/review/next", unchanged, {"params": without_none({"after": after})})


def review(run_id: str, image_id: int) -> Call[dict[str, Any]]:
    """Return the review of one image with its `version` and the decisions about its masks."""
    return Call("GET", _of_image(run_id, image_id), unchanged)


def change_review(
    run_id: str, image_id: int, version: int, changes: Sequence[Mapping[str, Any]]
) -> Call[dict[str, Any]]:
    """Change the review of one image and return it.

    Each change has `masks`, the indexes of masks from 0, and at least one of `state` (accepted, rejected, deleted,
    undecided), `category` (a name or None) and `merge` (True or False). `version` is that of the review that the
    changes were made on, 0 if there was none; another version is refused with the code `review_changed`. The request
    is repeated if it fails: changes that are already made are no conflict.
    """
    body = {"version": version, "changes": [dict(change) for change in changes]}
    return Call("PATCH", _of_image(run_id, image_id), unchanged, {"json": body})


def review_history(run_id: str, image_id: int) -> Pages[dict[str, Any]]:
    """Yield the changes of an image's review, newest first."""
    return Pages(f"{_of_image(run_id, image_id)}/history", unchanged)
