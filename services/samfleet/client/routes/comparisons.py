from __future__ import annotations

from typing import Any
from urllib.parse import quote

from samfleet.client.steps import Call, Pages
from samfleet.client.values import unchanged, without_none


def _path(comparison_id: str, *more: str) -> str:
    return "/".join(("/v1/comparisons", quote(comparison_id, safe=""), *more))


def create_comparison(run_a: str, run_b: str) -> Call[dict[str, Any]]:
    """Compare two runs over the same images; `run_a` is the reference. The server returns the same comparison for an
    equal request, so it is repeated if it fails.
    """
    return Call("POST", "/v1/comparisons", unchanged, {"json": {"run_a": run_a, "run_b": run_b}})


def comparisons(*, run_a: str | None = None, run_b: str | None = None) -> Pages[dict[str, Any]]:
    """Yield comparisons, newest first; only those with these runs, if any are given."""
    return Pages("/v1/comparisons", unchanged, without_none({"run_a": run_a, "run_b": run_b}))


def comparison(comparison_id: str) -> Call[dict[str, Any]]:
    """Return a comparison with its summary."""
    return Call("GET", _path(comparison_id), unchanged)


def comparison_images(comparison_id: str, *, sort: str = "disagreement") -> Pages[dict[str, Any]]:
    """Yield the images of a comparison: by `disagreement`, `worst_iou_a`, `worst_iou_b`, `iou_change` or `position`."""
    return Pages(_path(comparison_id, "images"), unchanged, {"sort": sort})


def image_comparison(run_a: str, image_id: int, run_b: str) -> Call[dict[str, Any]]:
    """Match the masks of one image in two runs: `pairs`, and the places of masks that are `lost` or `gained`."""
    path = f"/v1/runs/{quote(run_a, safe='')}/images/{image_id}/comparison"
    return Call("GET", path, unchanged, {"params": {"with": run_b}})


def annotation_comparison(run: str, image_id: int) -> Call[dict[str, Any]]:
    """Match the masks of one image with its annotations: `pairs`, and the places of annotations that are `lost`, of
    masks that are `gained`, and of masks that are `ignored` because they lie in an annotated group.
    """
    path = f"/v1/runs/{quote(run, safe='')}/images/{image_id}/annotations/comparison"
    return Call("GET", path, unchanged)


def delete_comparison(comparison_id: str) -> Call[None]:
    """Delete a comparison; the results of its runs stay."""
    return Call("DELETE", _path(comparison_id), unchanged, response="empty")
