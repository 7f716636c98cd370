"""COCO: a results array, and a complete file of instances. Masks are RLE, boxes those of pycocotools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.selection import selected_rows
from samfleet.jobs.coco_files import Instances, iter_instances, iter_results


@dataclass(frozen=True, slots=True)
class CocoResults:
    """A COCO results array; it has category ids and no names."""

    name: str = "coco"
    description: str = "COCO results array: one entry per mask, as RLE, for evaluations (pycocotools' loadRes)."
    media_type: str = "application/json"
    extension: str = "json"

    def write(self, source: ExportSource, options: ExportOptions) -> Iterator[bytes]:
        return iter_results(selected_rows(source, options))


@dataclass(frozen=True, slots=True)
class CocoInstances:
    """A complete COCO file. Its `info` has the provenance."""

    name: str = "instances"
    description: str = "Complete COCO file: images, annotations as RLE, categories and provenance, for other tools."
    media_type: str = "application/json"
    extension: str = "json"

    def write(self, source: ExportSource, options: ExportOptions) -> Iterator[bytes]:
        info = {"description": f"Masks of {source.provenance['variant']}, made by samfleet", **source.provenance}
        categories = () if options.one_class else source.categories
        instances = Instances(info, categories, options.category_name)
        return iter_instances(lambda: selected_rows(source, options), instances)
