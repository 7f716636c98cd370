"""COCO: a results array, and complete files of instances. Boxes are those of pycocotools."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from samfleet.exports.formats.archive import Member, MemberNames, ZipFormat, provenance_of
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.selection import rows_without_empty_masks, selected_rows
from samfleet.jobs.coco_files import Instances, UsedCategories, iter_instances, iter_results
from samfleet.jobs.export import in_chunks
from samfleet.masks.polygons import Corners, polygons_of


@dataclass(frozen=True, slots=True)
class CocoResults:
    """A COCO results array; it has category ids and no names."""

    name: str = "coco"
    description: str = "COCO results array: one entry per mask, as RLE, for evaluations (pycocotools' loadRes)."
    media_type: str = "application/json"
    extension: str = "json"

    def write(self, source: ExportSource, options: ExportOptions) -> Iterator[bytes]:
        used = UsedCategories()
        deque(used.seen(selected_rows(source, options)), maxlen=0)
        unclassified = used.unclassified_id(() if options.one_class else source.categories)
        return iter_results(selected_rows(source, options), unclassified=unclassified)


@dataclass(frozen=True, slots=True)
class CocoInstances:
    """A complete COCO file. Its `info` has the provenance."""

    name: str = "instances"
    description: str = "Complete COCO file: images, annotations as RLE, categories and provenance, for other tools."
    media_type: str = "application/json"
    extension: str = "json"

    def write(self, source: ExportSource, options: ExportOptions) -> Iterator[bytes]:
        return iter_instances(lambda: selected_rows(source, options), coco_contents(source, options))


@dataclass(frozen=True, slots=True)
class CocoPolygons:
    """A complete COCO file with polygons as pycocotools fills them. Empty masks are left out."""

    name: str = "coco_polygons"
    description: str = "Complete COCO file like `instances`, with polygons for tools that do not read RLE."
    media_type: str = "application/json"
    extension: str = "json"

    def write(self, source: ExportSource, options: ExportOptions) -> Iterator[bytes]:
        def polygons(mask: Mapping[str, Any]) -> list[list[float]]:
            rings = polygons_of(mask["segmentation"], options.tolerance, Corners.EDGES)
            return [ring.ravel().tolist() for ring in rings]

        contents = replace(coco_contents(source, options), segmentation_of=polygons)
        return iter_instances(lambda: rows_without_empty_masks(source, options), contents)


def _results_with_dataset(source: ExportSource, options: ExportOptions) -> Iterator[Member]:
    yield "results.json", in_chunks(CocoResults().write(source, options))
    contents, rows = coco_contents(source, options), partial(selected_rows, source, options)
    yield "dataset.json", in_chunks(iter_instances(rows, contents, annotated=False))
    yield provenance_of(source.provenance, MemberNames())


# pycocotools reads results only beside their images and categories: COCO("dataset.json").loadRes("results.json")
COCO_PAIR = ZipFormat(
    "coco_pair",
    "COCO results with their dataset (zip): the results, and the images and categories that loadRes needs.",
    _results_with_dataset,
)


def coco_contents(source: ExportSource, options: ExportOptions) -> Instances:
    """Return what a complete COCO file of the source has besides its masks."""
    info = {"description": f"Masks of {source.provenance['variant']}, made by samfleet", **source.provenance}
    return Instances(info, () if options.one_class else source.categories, options.category_name)
