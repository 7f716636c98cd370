"""Tables of LVIS, UVO and SGinW: precision by the rules of each data set, in per cent."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samfleet.reports.table import Row
from samfleet.survey.conditions import LVIS_VITDET, SGINW_SETS, UVO, author_fields_of
from samfleet.survey.quality import COUNTS, INTERVAL, REPLICATES, with_interval
from samfleet.variants.author_figures import LVIS_VITDET_AP, SGINW_MEAN_AP, AuthorColumn
from samfleet.variants.survey_figures import VITDET

SIZES = ("small", "medium", "large")
COMPARED = ("published", "published_on", "published_source", "difference")
LVIS_COLUMNS = (
    "boxes",
    "lvis_ap",
    *INTERVAL,
    "lvis_ap50",
    "lvis_ap75",
    "lvis_apr",
    "lvis_apc",
    "lvis_apf",
    *(f"lvis_ap_{size}" for size in SIZES),
    "miou",
    *COMPARED,
)
UVO_COLUMNS = (
    "boxes",
    "ap",
    *INTERVAL,
    "ap50",
    "ap75",
    *(f"ap_{size}" for size in SIZES),
    "ar_1000",
    "ar_100",
    "ar_10",
    *(f"ar_1000_{size}" for size in SIZES),
)
SGINW_COLUMNS = ("set", "boxes", "ap", *INTERVAL, "ap50", "ap75", *(f"ap_{size}" for size in SIZES))
SGINW_MEAN_COLUMNS = ("sets", "of_sets", "boxes", "ap", *INTERVAL, *COMPARED)
MEMBERS = "members"  # key of a row, not a column: the names of the sets in a mean
ANNOTATED, DETECTED, NO_BOXES = "annotated objects", "other detections", "no boxes"
_AGNOSTIC = {
    "ap": "ap_agnostic",
    "ap50": "ap50_agnostic",
    "ap75": "ap75_agnostic",
    **{f"ap_{size}": f"ap_agnostic_{size}" for size in SIZES},
}


def lvis_row(row: Row, task: Mapping[str, Any], sample_of: str | None) -> Row | None:
    """Return a row of the table of LVIS; None unless LVIS's AP was evaluated."""
    if row["lvis_ap"] is None:
        return None
    boxes = _boxes(task)
    of_vitdet = boxes == DETECTED and sample_of == LVIS_VITDET
    made = {**with_interval(row, "lvis_ap"), "boxes": VITDET.label if of_vitdet else boxes}
    return _compared(made, "lvis_ap", LVIS_VITDET_AP if of_vitdet else None)


def uvo_row(row: Row, task: Mapping[str, Any], sample_of: str | None) -> Row | None:
    """Return a row of class-agnostic figures; None for annotations with several categories.

    With prompts, AP by category is that without categories on a sample of UVO, which has one.
    """
    if row["ap_agnostic"] is not None:
        figures = {name: row[agnostic] for name, agnostic in _AGNOSTIC.items()}
        replicates = {"ap": row[REPLICATES].get("ap_agnostic")}
        made = with_interval({**row, **figures, REPLICATES: replicates}, "ap")
    elif sample_of == UVO and row["ap"] is not None:
        made = with_interval(row, "ap")
    else:
        return None
    return {**made, "boxes": _boxes(task)}


def sginw_row(row: Row, task: Mapping[str, Any], sample_of: str | None) -> Row | None:
    """Return the row of one set of SGinW; None for other datasets, and for masks without categories."""
    name = SGINW_SETS.get(sample_of or "")
    if name is None or row["ap"] is None:
        return None
    return {**with_interval(row, "ap"), "set": name, "boxes": _boxes(task)}


def sginw_means(rows: Iterable[Row], keys: Sequence[str]) -> list[Row]:
    """Return the mean AP over the sets that were measured, for each value of `keys` without the dataset.

    A set that was measured as several datasets counts once, with the dataset that has the most annotated objects. The
    published mean is beside only if detections prompted on all sets.
    """
    grouped: defaultdict[tuple[Any, ...], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        sets = grouped[tuple(row[name] for name in keys if name != "dataset")]
        known = sets.get(row["set"])
        if known is None or row["instances"] > known["instances"]:
            sets[row["set"]] = row
    return [_mean(sets) for sets in grouped.values()]


def _mean(sets: Mapping[str, Row]) -> Row:
    rows = [sets[name] for name in sorted(sets)]
    complete = len(rows) == len(SGINW_SETS)
    made = {
        **rows[0],
        **{name: sum(row[name] for row in rows) for name in COUNTS},
        "dataset": f"SGinW, {len(rows)} of {len(SGINW_SETS)} sets",
        "sets": len(rows),
        "of_sets": len(SGINW_SETS),
        MEMBERS: tuple(sorted(sets)),
        "ap": float(np.mean([row["ap"] for row in rows])),
        REPLICATES: {"ap": _mean_replicates(rows)},
    }
    compared = SGINW_MEAN_AP if complete and made["boxes"] == DETECTED else None
    return _compared(with_interval(made, "ap"), "ap", compared)


def _mean_replicates(rows: Sequence[Row]) -> NDArray[np.float64] | None:
    """Return replicates of the mean, None if a set has none.

    Replicates depend on image ids, which the sets share although their images are different. So those of each set are
    taken in another order, which is the same for all variants: sets vary independently, variants stay paired.
    """
    found = [(row["set"], row[REPLICATES].get("ap")) for row in rows]
    if any(replicates is None for _, replicates in found):
        return None
    least = min(len(replicates) for _, replicates in found)
    orders = [np.random.default_rng(zlib.crc32(name.encode())).permutation(least) for name, _ in found]
    mean: NDArray[np.float64] = np.mean(
        [replicates[order] for (_, replicates), order in zip(found, orders, strict=True)], axis=0
    )
    return mean


def _boxes(task: Mapping[str, Any]) -> str:
    """Return the origin of the prompts in words."""
    if task.get("boxes_from") == "detections":
        return DETECTED
    return ANNOTATED if task.get("kind") == "prompts" or task.get("boxes_from") == "annotations" else NO_BOXES


def _compared(row: Row, figure: str, column: AuthorColumn | None) -> Row:
    fields = author_fields_of(column, row["variant"])
    known = fields["published"] is not None
    return {**row, **fields, "difference": row[figure] - fields["published"] if known else None}
