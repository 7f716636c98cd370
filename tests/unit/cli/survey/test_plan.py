from __future__ import annotations

from pathlib import Path

import pytest

from samfleet.survey.conditions import DATA_SETS
from samfleet_cli.survey.cells import HostedVariant, cells_of
from samfleet_cli.survey.plan import (
    SHIPPED,
    SurveyPlanInvalid,
    SurveyPlanNotFound,
    load_plan,
    narrowed,
    parse_plan,
    without_missing,
)

HOSTED = (
    HostedVariant("mobile_sam", weights_here=True, sampler="grid"),
    HostedVariant("sam_vit_b", weights_here=False, sampler="grid"),
    HostedVariant("fastsam_s", weights_here=True, sampler="instances"),
)
PLAN = """
title: Ours
datasets:
  shelves: {images: photos, annotations: photos/instances.json, limit: 30}
  floors: {images: /data/floors}
tasks:
  coarse: {kind: everything, points_per_side: 8}
measurements:
  - {tasks: [box, coarse], datasets: [shelves, floors], limit: 5, repeats: 2}
"""


def keys(text: str) -> list[str]:
    return [cell.key for cell in cells_of(parse_plan(text, Path("/plans")), HOSTED)]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_plans_are_valid(name: str, tmp_path: Path) -> None:
    plan = without_missing(load_plan(name, images=tmp_path, annotations=tmp_path / "instances.json"))
    assert [spec.images for spec in plan.datasets.values()] == [tmp_path]
    assert cells_of(plan, HOSTED)


def test_the_default_plan_measures_the_data_sets_that_were_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = load_plan("default", images=tmp_path)
    assert {spec.sample_of for spec in whole.datasets.values()} == set(DATA_SETS)
    for name in ("lvis_v1_val", "sginw_cows"):
        (tmp_path / "datasets" / name / "images").mkdir(parents=True)
    plan = without_missing(load_plan("default", images=tmp_path))
    assert list(plan.datasets) == ["coco", "lvis", "sginw_cows"]
    lvis = plan.datasets["lvis"]
    assert lvis.annotations == tmp_path / "datasets" / "lvis_v1_val" / "annotations.json"
    measured = {(cell.task, cell.dataset.name) for cell in cells_of(plan, HOSTED) if cell.dataset.name != "coco"}
    assert measured == {*((task, "lvis") for task in ("box", "center_point", "random_points")), ("box", "sginw_cows")}


def test_options_choose_other_measurements(tmp_path: Path) -> None:
    plan = load_plan("default", images=tmp_path)
    chosen = narrowed(plan, ["box", "grid_16"], ["mobile_sam", "fastsam_s"], ["fast"])
    assert [cell.key for cell in cells_of(chosen, HOSTED)] == [
        f"{task} / coco / {variant} / fast / as served / 1"
        for task in ("box", "grid_16")
        for variant in ("mobile_sam", "fastsam_s")
    ]
    other = narrowed(plan, variants=["mobile_sam"])
    assert {cell.variant for cell in cells_of(other, HOSTED)} == {"mobile_sam"}
    assert {block.tasks for block in other.measurements} == {block.tasks for block in plan.measurements}
    assert narrowed(plan) == plan
    with pytest.raises(SurveyPlanInvalid, match="task boxes is unknown; known are box,"):
        narrowed(plan, ["boxes"])


def test_own_images_are_compared_with_nothing_published(tmp_path: Path) -> None:
    assert [spec.sample_of for spec in load_plan("own", images=tmp_path).datasets.values()] == [None]


def test_a_plan_of_which_nothing_was_prepared_says_so() -> None:
    optional = "datasets: {cows: {prepared: /nowhere, optional: true}}"
    plan = parse_plan(f"title: Cows\n{optional}\nmeasurements: [{{tasks: box, datasets: cows}}]", Path())
    with pytest.raises(SurveyPlanInvalid, match="no dataset of the plan has its folder: cows"):
        without_missing(plan)


def test_paths_are_relative_to_the_plan(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN)
    datasets = load_plan(str(tmp_path / "plan.yaml")).datasets
    assert datasets["shelves"].images == tmp_path / "photos"
    assert datasets["shelves"].annotations == tmp_path / "photos" / "instances.json"
    assert (datasets["floors"].images, datasets["floors"].annotations) == (Path("/data/floors"), None)


def test_cells_are_all_combinations_in_order() -> None:
    found = keys(PLAN)
    assert len(found) == len(set(found)) == 2 * 2 * 2 * 2
    assert found[0] == "box / shelves, 5 images / mobile_sam / first pool / as served / 1"
    assert found[1] == "box / shelves, 5 images / mobile_sam / first pool / as served / 2"
    assert found[-1] == "coarse / floors, 5 images / fastsam_s / first pool / as served / 2"


def test_the_smaller_limit_of_dataset_and_block_counts() -> None:
    assert "box / shelves, 30 images / mobile_sam / first pool / as served / 1" in keys(
        PLAN.replace("limit: 5", "limit: 99")
    )


def test_own_methods_are_of_variants_without_a_grid() -> None:
    found = keys(PLAN.replace("[box, coarse]", "own_method"))
    assert {key.split(" / ")[2] for key in found} == {"fastsam_s"}


def test_named_variants_are_measured_without_weights_too() -> None:
    found = keys(PLAN.replace("limit: 5", "variants: [sam_vit_b, here]"))
    assert list(dict.fromkeys(key.split(" / ")[2] for key in found)) == ["sam_vit_b", "mobile_sam", "fastsam_s"]


def test_stand_ins_are_measured_where_the_real_weights_are_not() -> None:
    hosted = [*HOSTED, *(HostedVariant(f"stand_in_{name}", True, "grid") for name in ("mobile_sam", "sam_vit_b"))]

    def variants(change: str) -> set[str]:
        plan = parse_plan(PLAN.replace("limit: 5", change), Path())
        return {cell.variant for cell in cells_of(plan, hosted)}

    assert variants("variants: here") == {"mobile_sam", "fastsam_s"}
    assert variants("variants: [here, stand_ins]") == {"mobile_sam", "fastsam_s", "stand_in_sam_vit_b"}
    assert variants("variants: [sam_vit_b, stand_ins]") == {"sam_vit_b"}
    assert variants("variants: stand_ins, pools: fast, executions: bf16") == {"stand_in_sam_vit_b"}


def test_one_value_may_stand_for_a_list() -> None:
    assert keys(PLAN.replace("[box, coarse]", "box")) == keys(PLAN.replace("[box, coarse]", "[box]"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[box, coarse]", "[boxes]"), "task boxes is unknown; known are box, center_point, coarse,"),
        (("[shelves, floors]", "[shelf]"), "dataset shelf is unknown; known are floors, shelves"),
        (("limit: 5", "executions: [fp8]"), "precision 'fp8'"),
        (("repeats: 2", "repeats: 0"), "measurements.0.repeats"),
        (("repeats: 2", "repeat: 2"), "measurements.0.repeat: Extra inputs"),
        (("coarse: {kind", "box: {kind"), "the plan: a task box exists already"),
        (("points_per_side: 8", "points: 8"), "task coarse: unknown parameter points"),
        (("title: Ours", "title: ["), "it is not YAML"),
        (("limit: 30", "sample_of: coco"), "datasets.shelves.sample_of: 'coco' is no data set of the survey"),
        (("limit: 30", "prepared: shelves"), "datasets.shelves: prepared stands for images and annotations"),
    ],
)
def test_faults_are_named(change: tuple[str, str], message: str) -> None:
    with pytest.raises(SurveyPlanInvalid) as caught:
        parse_plan(PLAN.replace(*change), Path())
    assert message in caught.value.message


def test_a_missing_plan_and_a_plan_without_images(tmp_path: Path) -> None:
    with pytest.raises(SurveyPlanNotFound, match="default, small, own"):
        load_plan("tiny")
    with pytest.raises(SurveyPlanInvalid, match="--images"):
        load_plan("small")
    broken = tmp_path / "plan.yaml"
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(SurveyPlanInvalid, match=r"plan\.yaml"):
        load_plan(str(broken))
