from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.cases import BoxedImage, Case, Contender, Sample
from benchmarks.environment import Environment
from benchmarks.mask_comparison import MaskComparison
from benchmarks.report import print_pairing, write
from benchmarks.results import Pairing, Ratio, Result, Side, Soak

ENGINE, PLAIN = Contender("engine", "tuned"), Contender("plain", "default")
EVERYTHING = Case("everything", 16, "/somewhere/coffee.png")


def side(contender: Contender, *seconds: float, gflop: float | None = None) -> Side:
    samples = tuple(Sample(value, 1000, 2000, {"decode": value * 500, "encode": 8.0}, 3) for value in seconds)
    return Side(contender, samples, gflop)


def test_ratios_are_computed_per_pair() -> None:
    assert Ratio.of([10.0, 30.0, 8.0], [2.0, 3.0, 4.0]) == Ratio(5.0, 2.0, 10.0)


def test_a_pairing_also_compares_each_stage() -> None:
    pairing = Pairing.of(EVERYTHING, side(ENGINE, 1.0, 2.0), side(PLAIN, 4.0, 4.0))
    assert pairing.ratio == Ratio(3.0, 2.0, 4.0)
    assert pairing.stages["decode"] == Ratio(3.0, 2.0, 4.0)
    assert pairing.stages["encode"].median == 1.0


@pytest.mark.parametrize(
    ("case", "contender", "taken"),
    [
        (EVERYTHING, PLAIN, True),
        (EVERYTHING, Contender("transformers", "default"), False),
        (EVERYTHING, Contender("official", "default"), True),
        (Case("decode", 64, ""), Contender("official", "tuned"), False),
        (Case("boxes", 900, ""), Contender("official", "default"), True),
        (Case("boxes", 9, ""), PLAIN, False),
        (Case("decode", 64, ""), Contender("transformers", "default"), True),
        (Case("decode", 1024, ""), Contender("transformers", "default"), False),
        (Case("decode", 1024, ""), Contender("transformers", "tuned"), True),
    ],
)
def test_a_contender_takes_only_the_cases_it_supports(case: Case, contender: Contender, taken: bool) -> None:
    assert contender.takes(case) is taken


def test_the_file_has_derived_figures_and_no_path(tmp_path: Path) -> None:
    environment = Environment("now", "abc", {"device_name": "A CPU"}, "3.11", "Linux", {}, {}, None, (0.0, 0.0, 0.0))
    case = Case("decode", 64, "/somewhere/coffee.png")
    pairing = Pairing.of(case, side(ENGINE, 2.0, gflop=100.0), side(PLAIN, 8.0, gflop=300.0))
    soak = Soak(images=200, points_per_side=8, early_image=20, early_bytes=100, late_bytes=103, seconds=1.0)
    result = Result("mobile_sam", "cpu", environment, {"fp32": 144.0}, [pairing], soak=soak)
    write(result, tmp_path / "new" / "engine.json")
    read = json.loads((tmp_path / "new" / "engine.json").read_text())
    (found,) = read["pairings"]
    assert found["name"] == "decoder, 64 prompts"
    assert found["case"]["image"] == "coffee.png"
    assert found["ratio"] == {"median": 4.0, "min": 4.0, "max": 4.0}
    assert found["ours"]["gflop_per_second"] == 50.0
    assert read["soak"]["growth"] == pytest.approx(0.03)
    assert read["environment"]["commit"] == "abc"


def test_the_share_of_equal_masks_is_printed_and_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = Environment("now", "abc", {"device_name": "A CPU"}, "3.11", "Linux", {}, {}, None, (0.0, 0.0, 0.0))
    case = Case("boxes", 1, "/somewhere/a.jpg", (BoxedImage("/somewhere/a.jpg", ((0, 0, 1, 1),)),))
    masks = MaskComparison(ours=4, theirs=3, equal=3, least_iou=0.995, mean_iou=0.999)
    pairing = Pairing.of(case, side(ENGINE, 2.0), side(Contender("official", "default"), 8.0), masks)
    write(Result("mobile_sam", "cpu", environment, {"fp32": 144.0}, [pairing]), tmp_path / "engine.json")
    (found,) = json.loads((tmp_path / "engine.json").read_text())["pairings"]
    shown = {"ours": 4, "theirs": 3, "equal": 3, "least_iou": 0.995, "mean_iou": 0.999, "share": 0.75}
    assert found["masks"] == shown
    assert found["case"]["boxed"] == [{"image": "a.jpg", "boxes": [[0, 0, 1, 1]]}]
    print_pairing(pairing, 144.0)
    text = capsys.readouterr().out
    assert "3 of 4 masks are equal (75.0%) at an IoU of 0.99 or more; of all pairs the mean IoU is 0.9990" in text
