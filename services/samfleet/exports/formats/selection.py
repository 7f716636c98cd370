"""Masks of a row that an export's options select."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from samfleet.exports.formats.base import ExportOptions, ExportSource


def selected_rows(source: ExportSource, options: ExportOptions) -> Iterator[dict[str, Any]]:
    """Yield the rows of the source with the masks that are large and certain enough.

    With `one_class` the masks lose their category.
    """
    for row in source.rows():
        yield {**row, "masks": [_classed(mask, options) for mask in row["masks"] if _is_selected(mask, options)]}


def rows_without_empty_masks(source: ExportSource, options: ExportOptions) -> Iterator[dict[str, Any]]:
    """Yield the selected rows without masks of no pixels, for formats that cannot hold these."""
    for row in selected_rows(source, options):
        yield {**row, "masks": [mask for mask in row["masks"] if mask["area"]]}


def confidence(mask: Mapping[str, Any]) -> float:
    """Return the score of the detection that prompted the mask, or else the predicted IoU."""
    score: float = mask.get("detection_score", mask["predicted_iou"])
    return score


def _is_selected(mask: Mapping[str, Any], options: ExportOptions) -> bool:
    return mask["area"] >= options.min_area and confidence(mask) >= options.min_score


def _classed(mask: Mapping[str, Any], options: ExportOptions) -> Mapping[str, Any]:
    if not options.one_class:
        return mask
    return {name: value for name, value in mask.items() if name != "category_id"}
