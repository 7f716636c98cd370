from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from samfleet.client.image_schemas import ImageAnnotations, ImageNeighbours, ImageResult, RunImage
from samfleet.client.schemas import Run
from samfleet.client.steps import Call, Pages
from samfleet.client.values import unchanged, without_none


def run(run_id: str, *, include_warmup: bool = False) -> Call[Run]:
    """Return a run with its stage statistics, by default without warm-up (the first images after a load)."""
    return Call("GET", f"/v1/runs/{run_id}", Run.model_validate, {"params": {"include_warmup": include_warmup}})


def run_images(run_id: str, **filters: Any) -> Pages[RunImage]:
    """Yield the images of a run with their outcomes.

    `filters` are parameters of the list, such as `outcome`, `min_mask_count`, `max_predicted_iou` and `sort`.
    """
    return Pages(f"/v1/runs/{run_id}/images", RunImage.model_validate, without_none(filters))


def image_result(run_id: str, image_id: int, *, with_masks: bool = True) -> Call[ImageResult]:
    """Return the result of one image with its masks and the times of its stages. Without masks it comes quickly."""
    params = {} if with_masks else {"with_masks": False}
    return Call("GET", f"/v1/runs/{run_id}/images/{image_id}", ImageResult.model_validate, {"params": params})


def overlay(run_id: str, image_id: int) -> Call[bytes]:
    """Return a PNG of the image with its masks drawn on it."""
    return Call("GET", f"/v1/runs/{run_id}/images/{image_id}/overlay.png", bytes, response="bytes")


def picture(run_id: str, image_id: int, *, max_side: int | None = None) -> Call[bytes]:
    """Return the upright image without masks as JPEG, PNG or WebP, at most `max_side` pixels wide and high.

    By default the server's limit, 8192, applies.
    """
    params = {} if max_side is None else {"max_side": max_side}
    return Call("GET", f"/v1/runs/{run_id}/images/{image_id}/picture", bytes, {"params": params}, response="bytes")


def image_annotations(run_id: str, image_id: int) -> Call[ImageAnnotations]:
    """Return the image's annotations, each with the mask of highest IoU, and the best annotation of every mask."""
    return Call("GET", f"/v1/runs/{run_id}/images/{image_id}/annotations", ImageAnnotations.model_validate)


def image_neighbours(run_id: str, image_id: int, **filters: Any) -> Call[ImageNeighbours]:
    """Return the images before and after one in the list of `run_images` with the same `filters`."""
    path = f"/v1/runs/{run_id}/images/{image_id}/neighbours"
    return Call("GET", path, ImageNeighbours.model_validate, {"params": without_none(filters)})


def report(name: str, params: Mapping[str, Any]) -> Call[dict[str, Any]]:
    """Return `rows` and `parameters` of `GET /v1/reports/…`."""
    return Call("GET", f"/v1/reports/{name}", unchanged, {"params": dict(params)})


def hardware() -> Call[list[dict[str, Any]]]:
    """Return the items of `GET /v1/hardware`: hardware that has computed results."""
    return Call("GET", "/v1/hardware", _items)


def variants() -> Call[list[dict[str, Any]]]:
    """Return the items of `GET /v1/variants`: all variants that a job may use."""
    return Call("GET", "/v1/variants", _items)


def pull_variant(name: str) -> Call[dict[str, Any]]:
    """Let the server fetch a variant's weights; `variant_pull` tells its progress."""
    return Call("POST", f"/v1/variants/{name}/pull", unchanged)


def cancel_pull(name: str) -> Call[dict[str, Any]]:
    """Cancel the pull of a variant's weights; return it. One that has ended is returned as it is."""
    return Call("DELETE", f"/v1/variants/{name}/pull", unchanged)


def variant_pull(name: str) -> Call[dict[str, Any]]:
    """Return the last pull of a variant's weights: its state, bytes and error."""
    return Call("GET", f"/v1/variants/{name}/pull", unchanged)


def variant_names() -> Call[frozenset[str]]:
    """Return the names of all variants that a job may use."""
    return Call("GET", "/v1/variants", lambda answer: frozenset(item["name"] for item in answer["items"]))


def _items(answer: Any) -> list[dict[str, Any]]:
    return list(answer["items"])
