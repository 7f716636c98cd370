from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.cases import BoxedImage, Case, Contender, Sample
from benchmarks.environment import Environment
from benchmarks.mask_comparison import MaskComparison
from benchmarks.report import write
from benchmarks.results import Pairing, Result, Side
from benchmarks.tables import comparison_table, main, readme_lines, stage_table

EVERYTHING = Case("everything", 32, "/photos/coffee.png")
BOXES = Case("boxes", 4, "/photos/a.jpg", (BoxedImage("/photos/a.jpg", ((0, 0, 1, 1),) * 2),) * 2)
MASKS = MaskComparison(ours=99, theirs=98, equal=98, least_iou=0.99, mean_iou=1.0)


def pairing(
    case: Case, allocator: str, seconds: float, masks: MaskComparison | None, execution: str = "fp32"
) -> Pairing:
    stages = {"encode": 500.0, "decode": 4500.0, "postprocess": 0.0}
    ours = Side(Contender("engine", "tuned", execution), (Sample(5.0, 1, 1, stages, 99),) * 2, None, {"decode": 900.0})
    theirs = Side(Contender("official", allocator), tuple(Sample(seconds * k, 1, 1) for k in (1, 1.2)))
    return Pairing.of(case, ours, theirs, masks)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    environment = Environment("now", "abc", {"device_name": "A CPU"}, "3.11", "Linux", {}, {}, None, (0.0, 0.0, 0.0))
    pairings = [
        pairing(EVERYTHING, "default", 50.0, MASKS),
        pairing(EVERYTHING, "tuned", 25.0, MASKS),
        pairing(EVERYTHING, "tuned", 500.0, MASKS, execution="bf16"),
        pairing(BOXES, "default", 10.0, None),
    ]
    write(Result("mobile_sam", "cpu", environment, {"fp32": 400.0}, pairings), tmp_path / "engine.json")
    return tmp_path / "engine.json"


def test_the_comparison_has_a_row_for_each_case_and_opponent(file: Path) -> None:
    *_, everything, boxes = comparison_table(json.loads(file.read_text()))
    assert everything == (
        "| SegEvery 32x32, coffee.png | 5.00 s | the official package | **11.00** (10.00 to 12.00) "
        "| **5.50** (5.00 to 6.00) | 98 of 99 |"
    )
    assert boxes == ("| SegAny, 4 boxes in 2 images | 2.50 s | the official package | **2.20** (2.00 to 2.40) |  |  |")


def test_the_stages_have_work_and_share_of_the_peak_once_per_case(file: Path) -> None:
    _, _, encode, decode, *others = stage_table(json.loads(file.read_text()))
    assert encode == "| SegEvery 32x32, coffee.png | encode | 500 |  |  |  |"
    assert decode == "| SegEvery 32x32, coffee.png | decode | 4500 | 900.0 | 200.0 | 50% |"
    assert len(others) == 2  # those of the boxes


def test_the_lines_of_the_readme_name_machine_and_commit(file: Path) -> None:
    everything, boxes = readme_lines(json.loads(file.read_text()))
    assert everything == (
        "- SegEvery 32x32, coffee.png: 5.00 s an image, the official package 55.00 / 27.50 s "
        "(default / tuned allocator): **11.0 / 5.5 times as fast**; 98 of 99 masks are equal "
        "(A CPU, mobile_sam, commit abc)."
    )
    assert boxes.startswith(
        "- SegAny, 4 boxes in 2 images: 2.50 s an image, the official package 5.50 s (default allocator)"
    )


def test_earlier_result_files_have_tables_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The committed file of an earlier commit has no masks and no work of stages."""
    committed = Path(__file__).resolve().parents[3] / "docs" / "benchmarks" / "engine-amd-epyc.json"
    monkeypatch.setattr("sys.argv", ["tables", str(committed)])
    main()
    shown = capsys.readouterr().out
    assert "| SegEvery 32x32, coffee.png |" in shown
    assert "| the plain reference | **8.67** (8.21 to 8.74) | **4.27** (3.86 to 4.43) |  |" in shown
