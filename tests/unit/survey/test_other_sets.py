"""Means over the sets of SGinW, with rows made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from samfleet.survey.conditions import NAMES, SGINW_SETS, name_with_boxes
from samfleet.survey.other_sets import MEMBERS, sginw_means, sginw_row
from samfleet.survey.quality import REPLICATES
from samfleet.survey.tables import HEADINGS, published_table
from samfleet.variants.author_figures import LVIS_VITDET_AP, SGINW_MEAN_AP, UVO_VIDEO_AR
from samfleet.variants.catalogue import VARIANTS

KEYS = ("variant", "dataset", "parameters")
DETECTED = {"kind": "everything", "boxes_from": "detections"}
SIZES = ("small", "medium", "large")


def measured(recipe: str, ap: float, task: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    figures = {"ap": ap, "ap50": ap, "ap75": ap, **{f"ap_{size}": None for size in SIZES}}
    row: dict[str, Any] = {
        "variant": "repvit_sam",
        "dataset": recipe,
        "parameters": "aa",
        "n": 10,
        "failures": 1,
        "instances": 20,
    }
    row |= {"runs_evaluated": 1, REPLICATES: {"ap": ap + np.linspace(-1, 1, 200)}, **figures, **fields}
    made = sginw_row(row, DETECTED if task is None else task, recipe)
    assert made is not None
    return made


def test_the_published_mean_is_beside_only_with_all_sets_and_boxes_of_a_detector() -> None:
    rows = [measured(recipe, float(place)) for place, recipe in enumerate(SGINW_SETS)]
    (mean,) = sginw_means(rows, KEYS)
    assert (mean["ap"], mean["sets"], mean["of_sets"]) == (12.0, 25, 25)
    assert (mean["n"], mean["failures"], mean["instances"]) == (250, 25, 500)
    assert (mean["published"], mean["difference"]) == (46.1, pytest.approx(12 - 46.1))
    assert mean["published_source"] == "README of THU-MIG/RepViT, sam"
    (fewer,) = sginw_means(rows[1:], KEYS)
    assert (fewer["ap"], fewer["sets"], fewer["published"], fewer["difference"]) == (12.5, 24, None, None)
    prompted = [measured(recipe, 1.0, {"kind": "prompts", "prompt": "box"}) for recipe in SGINW_SETS]
    (boxes,) = sginw_means(prompted, KEYS)
    assert (boxes["sets"], boxes["published"]) == (25, None)


def test_sets_vary_independently_although_their_images_share_ids() -> None:
    rows = [measured(recipe, 50.0) for recipe in SGINW_SETS]
    (mean,) = sginw_means(rows, KEYS)
    one = float(np.std(rows[0][REPLICATES]["ap"]))
    assert np.std(mean[REPLICATES]["ap"]) == pytest.approx(one / 5, rel=0.3)  # of 25 independent sets
    assert mean["high"] - mean["low"] < rows[0]["high"] - rows[0]["low"]


def test_variants_stay_paired_within_each_set() -> None:
    rows = [
        measured(recipe, ap, variant=variant)
        for recipe in list(SGINW_SETS)[:3]
        for variant, ap in (("repvit_sam", 50.0), ("mobile_sam", 40.0))
    ]
    first, second = (mean[REPLICATES]["ap"] for mean in sginw_means(rows, KEYS))
    assert np.allclose(first - second, 10.0)


def test_a_mean_without_replicates_of_every_set_has_no_interval() -> None:
    cows, poles = measured("sginw_cows", 40.0), measured("sginw_poles", 20.0, replicates={})
    (mean,) = sginw_means([cows, poles], KEYS)
    assert (mean["ap"], mean["low"], mean["high"]) == (30.0, None, None)
    assert mean[MEMBERS] == ("Cows", "Poles")


def test_a_set_counts_once_with_its_largest_dataset() -> None:
    rows = [
        measured("sginw_cows", 10.0, dataset="5 images", instances=5),
        measured("sginw_cows", 30.0, dataset="all", instances=50),
        measured("sginw_cows", 20.0, dataset="9 images", instances=9),
    ]
    (mean,) = sginw_means(rows, KEYS)
    assert (mean["ap"], mean["sets"], mean["instances"]) == (30.0, 1, 50)


@pytest.mark.parametrize(
    ("sample", "detector", "name"),
    [
        ("COCO", "yolov8", "yolov8"),
        ("LVIS", "vitdet", "lvis_vitdet"),
        ("LVIS", "yolov8", None),
        ("UVO", "vitdet", "UVO"),
        ("sginw_cows", "grounding_dino", "sginw_cows"),
    ],
)
def test_detections_change_what_a_dataset_is_a_sample_of(sample: str, detector: str, name: str | None) -> None:
    assert name_with_boxes(sample, detector) == name
    assert name is None or name in NAMES


def test_every_figure_of_authors_has_a_source_and_a_hosted_variant() -> None:
    for column in (LVIS_VITDET_AP, SGINW_MEAN_AP, UVO_VIDEO_AR):
        assert column.cells.keys() == column.sources.keys() <= VARIANTS.keys()
        assert all(0 < figure < 100 for figure in column.cells.values())
    (lvis,) = [heading for heading in HEADINGS if heading.key == "lvis"]
    rows = {row["variant"]: row for row in published_table(lvis).rows}
    assert rows["efficientvit_sam_l1"]["LVIS AP, ViTDet's boxes (%)"] == 42.1
    assert rows["efficientvit_sam_l1"]["source"].startswith("README of mit-han-lab/efficientvit")
