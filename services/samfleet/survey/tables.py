"""The tables of a survey: their titles, and the published figures of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from samfleet.reports.table import Report
from samfleet.variants.author_figures import LVIS_VITDET_AP, SGINW_MEAN_AP, UVO_VIDEO_AR, AuthorColumn
from samfleet.variants.catalogue import VARIANTS
from samfleet.variants.survey_figures import FIGURES, NAMES, Condition, survey_figure


@dataclass(frozen=True, slots=True)
class Heading:
    """Title of a table.

    `number` is that of the survey's table, None for a table of which no cell is known. `authors` has figures of authors
    that stand in for the survey's.
    """

    key: str
    number: int | None
    title: str
    lead: str
    authors: AuthorColumn | None = None


@dataclass(frozen=True, slots=True)
class SurveyTable:
    """Measured rows and, apart from them, the survey's own figures by variant."""

    heading: Heading
    measured: Report
    published: Report


HEADINGS: Sequence[Heading] = (
    Heading(
        "size",
        3,
        "Parameters and FLOPs",
        "Counted for the networks that samfleet runs, with a fused encoder and a folded decoder; two operations per "
        "multiply-add. The survey counts the published modules with calflops.",
    ),
    Heading(
        "one_box",
        4,
        "SegAny: time per image with a single box prompt",
        "Median milliseconds inside Triton of images with one box; an image of a batch has its share. The ratio is "
        "the measured time over the published one, which is from the hardware named beside it.",
    ),
    Heading(
        "everything",
        5,
        "SegEvery: time per image",
        "Median milliseconds inside Triton, with grids of points and with the variants' own methods.",
    ),
    Heading(
        "prompts",
        6,
        "SegAny: mIoU by prompt",
        "Mean IoU over annotated objects in per cent. The difference is in percentage points, only for samples of the "
        "survey's data sets.",
    ),
    Heading("vitdet", 7, "Instance segmentation with boxes of ViTDet", "COCO's mask AP in per cent."),
    Heading("detectors", 8, "Instance segmentation with boxes of other detectors", "COCO's mask AP in per cent."),
    Heading(
        "lvis",
        None,
        "LVIS v1: AP and mIoU",
        "LVIS's mask AP in per cent, over federated annotations; with points and boxes of annotated objects also mIoU. "
        "AP with prompts from annotations is not that of a detector. The published figures are of authors, with boxes "
        "of ViTDet; no quotation of the survey has its own.",
        LVIS_VITDET_AP,
    ),
    Heading(
        "uvo",
        None,
        "UVO v1 and other sets with one category: class-agnostic AP and AR",
        "Mask AP of 100 and AR of 1,000, 100 and 10 masks an image in per cent, over single frames. The published "
        "figures are of authors and of whole videos, so they are not compared.",
        UVO_VIDEO_AR,
    ),
    Heading(
        "sginw_mean",
        None,
        "SGinW: mean AP",
        "Plain mean of the mask AP of the sets that were measured, in per cent. The published means are of authors, "
        "over all 25 sets with boxes that they do not state; a measured mean has one beside it only if all 25 sets "
        "were measured with boxes of a detector.",
        SGINW_MEAN_AP,
    ),
    Heading("sginw", None, "SGinW: AP of each set", "COCO's mask AP in per cent over the categories with instances."),
    Heading(
        "recall",
        None,
        "SegEvery: average recall",
        "Class-agnostic mask AR in per cent, of 1,000, 100 and 10 masks an image. Our sources quote no such table of "
        "the survey.",
    ),
    Heading(
        "differences",
        None,
        "Differences from the best",
        "Rows of the tables of times and quality, but not of SGinW's single sets, beside the best one of the same "
        "prompts, dataset and, for times, hardware. Quality: paired bootstrap over images, in percentage points. Time: "
        "ratio of medians. p-values are corrected for the number of comparisons (Holm); above 0.05 the verdict is that "
        "one cannot tell.",
    ),
)


def published_table(heading: Heading) -> Report:
    """Return the published figures of a table: a row for each variant with a figure, a column for each condition."""
    if heading.authors is not None:
        return _authors_table(heading.authors)
    columns = [condition for condition in FIGURES if condition.table == heading.number]
    rows = [
        {"variant": variant, "name": name, **{_column(one): survey_figure(one, variant) for one in columns}}
        for variant, name in NAMES.items()
    ]
    kept = [row for row in rows if any(row[_column(one)] is not None for one in columns)]
    return Report(("variant", "name", *map(_column, columns)), kept)


def _authors_table(column: AuthorColumn) -> Report:
    label = f"{column.label} (%)"
    rows = [
        {"variant": variant, "name": VARIANTS[variant].title, label: figure, "source": column.sources[variant]}
        for variant, figure in column.cells.items()
    ]
    return Report(("variant", "name", label, "source"), rows)


def _column(condition: Condition) -> str:
    return f"{condition.label} ({condition.unit})"
