"""FiftyOne: the folder of a `COCODetectionDataset`, without the images."""

from __future__ import annotations

from collections.abc import Iterator

from samfleet.exports.formats.archive import Member, MemberNames, ZipFormat, provenance_of
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.coco import coco_contents
from samfleet.exports.formats.selection import rows_without_empty_masks
from samfleet.jobs.coco_files import iter_instances
from samfleet.jobs.export import in_chunks


def _members(source: ExportSource, options: ExportOptions) -> Iterator[Member]:
    labels = iter_instances(lambda: rows_without_empty_masks(source, options), coco_contents(source, options))
    yield "labels.json", in_chunks(labels)
    yield provenance_of(source.provenance, MemberNames())


# The images belong into `data/`, with their folders. Empty masks are left out, because they have no box.
FIFTYONE = ZipFormat(
    "fiftyone",
    "FiftyOne (zip): labels.json of a COCODetectionDataset; put the images into data/ beside it.",
    _members,
)
