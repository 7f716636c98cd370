"""`samfleet tune` without a stack: its state, its answer, and what it refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from samfleet.datasets.directory import DatasetEmpty
from samfleet_cli.connection import ApiChoice
from samfleet_cli.main import app
from samfleet_cli.tuning import session
from samfleet_cli.tuning.double import FormulaBench
from samfleet_cli.tuning.figures import Constraints
from samfleet_cli.tuning.images import TuneImagesMissing, find_images
from samfleet_cli.tuning.output import answer_of
from samfleet_cli.tuning.points import Point
from samfleet_cli.tuning.session import Sweep, Tuned, Wish, baseline_of, points_to_try, tune
from samfleet_cli.tuning.state import STATE_FILE, TuneFolderTaken, TuneState, TuneStateInvalid

SWEEP = Sweep(in_flight=(1, 2, 4))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def benched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FormulaBench:
    """The double in place of the embedded stack."""
    bench = FormulaBench()
    monkeypatch.setattr(session, "StackBench", lambda *_given: bench)
    monkeypatch.setenv("SAMFLEET_STATE_DIR", str(tmp_path / "state"))
    return bench


def wish(pictures: Path, **more: Any) -> Wish:
    fields = {"task": {"kind": "everything"}, "out": pictures.parent / "out", "images": pictures, "sweep": SWEEP}
    return Wish("mobile_sam", **{**fields, **more})


def tuned(wanted: Wish) -> Tuned:
    return tune(ApiChoice(None, None, wanted.out.parent / "state"), wanted, lambda _line: None)


def test_images_are_repeated_to_the_number_of_a_round(pictures: Path, tmp_path: Path) -> None:
    found = find_images(tmp_path / "out", pictures, None, 7)
    placed = found.place(tmp_path / "out").round.path
    files = sorted(placed.iterdir())
    assert [path.read_bytes() for path in files] == [
        (pictures / f"{number % 3}.png").read_bytes() for number in range(7)
    ]
    times = [path.stat().st_mtime_ns for path in files]
    found.place(tmp_path / "out")
    assert [path.stat().st_mtime_ns for path in sorted(placed.iterdir())] == times
    fewer = find_images(tmp_path / "out", pictures, None, 2)
    assert len(list(fewer.place(tmp_path / "out").round.path.iterdir())) == 2
    assert fewer.digest != found.digest


def test_annotated_images_are_taken_once(pictures: Path, tmp_path: Path) -> None:
    annotations = tmp_path / "boxes.json"
    annotations.write_text("{}")
    found = find_images(tmp_path / "out", pictures, annotations, 2)
    placed = found.place(tmp_path / "out")
    assert (placed.round.path, placed.round.limit, placed.warmup.limit) == (pictures, 2, 2)
    assert placed.round.annotations == placed.warmup.annotations == annotations
    before = found.digest
    annotations.write_text("[]")
    assert found.digest != before


def test_a_folder_without_usable_images_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    with pytest.raises(DatasetEmpty):
        find_images(tmp_path / "out", folder, None, 2)
    Path(os.fsdecode(bytes(folder) + b"/\xff.png")).write_bytes(b"")  # a name that cannot be stored
    with pytest.raises(TuneImagesMissing):
        find_images(tmp_path / "out", folder, None, 2)


def test_the_baseline_is_measured_first_and_the_answer_has_settings(benched: FormulaBench, pictures: Path) -> None:
    found = tuned(wish(pictures))
    assert benched.measured[0] == baseline_of("mobile_sam") == Point("fp32", None, 8, 64)
    answer = answer_of(found)
    assert json.loads(json.dumps(answer)) == answer
    assert answer["sweep"] == TuneState.load(found.wish.out, _subject(found.wish)).id
    best = answer["recommended"]
    assert best["environment"]["SAMFLEET_EXECUTION"] == "fp32"
    assert "" not in best["environment"].values()
    assert [row["is_baseline"] for row in answer["points"]].count(True) == 1
    assert {row["words"] for row in answer["points"] if row["on_front"]} == {
        Point(**point).words for point in answer["front"]
    }


def test_the_same_command_measures_nothing_again(benched: FormulaBench, pictures: Path) -> None:
    before = tuned(wish(pictures))
    benched.measured.clear()
    after = tuned(wish(pictures, constraints=Constraints(max_latency_ms=1.0)))
    assert benched.measured == []
    measured = {point for point, result in before.results.items() if result.status == "measured"}
    assert measured <= set(after.results)
    answer = answer_of(after)
    assert (answer["recommended"], len(answer["closest"]["breaks"])) == (None, 1)


def test_a_folder_of_other_images_or_another_task_is_refused(benched: FormulaBench, pictures: Path) -> None:
    tuned(wish(pictures))
    with pytest.raises(TuneFolderTaken, match="other task"):
        tuned(wish(pictures, task={"kind": "everything", "points_per_side": 8}))
    (pictures / "1.png").unlink()
    with pytest.raises(TuneFolderTaken, match="other images"):
        tuned(wish(pictures))


@pytest.mark.parametrize("content", ["", "[]", '{"version": 2}', '{"measured": [{"point": {}, "status": "measured"}]}'])
def test_a_damaged_state_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / STATE_FILE).write_text(content)
    with pytest.raises(TuneStateInvalid):
        TuneState.load(tmp_path, {})


def test_ctrl_c_keeps_what_was_measured(benched: FormulaBench, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(line: str) -> None:
        if "1 in flight" in line:
            raise KeyboardInterrupt

    wanted = wish(pictures)
    found = tune(ApiChoice(None, None, wanted.out.parent / "state"), wanted, interrupt)
    assert found.interrupted
    assert len(TuneState.load(wanted.out, TuneState.load(wanted.out, _subject(wanted)).subject).results()) == 2


def _subject(wanted: Wish) -> dict[str, Any]:
    return dict(json.loads((wanted.out / STATE_FILE).read_text())["subject"])


@pytest.mark.parametrize(("cores", "threads"), [(1, {None}), (2, {None, 1}), (6, {None, 1, 2, 4})])
def test_threads_are_tried_on_a_cpu_only(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, cores: int, threads: set[int | None]
) -> None:
    monkeypatch.setattr(session, "_cores", lambda: cores)
    wanted = wish(pictures, sweep=Sweep())
    assert {point.threads for point in points_to_try(wanted, ["fp32"], "cpu")} == threads
    assert {point.threads for point in points_to_try(wanted, ["fp32"], "cuda")} == {None}


def test_a_batch_beyond_the_variant_s_limit_is_its_limit(pictures: Path) -> None:
    points = points_to_try(wish(pictures, sweep=Sweep(batch_sizes=(2, 500))), ["fp32"], "cuda")
    assert {point.batch_size for point in points} == {2, 8}


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "said"),
    [
        (["no_such_variant"], {}, 1, "[variant_unknown]"),
        (["mobile_sam", "--in-flight", "6"], {}, 1, "[tune_point_invalid]"),
        (["mobile_sam", "--execution", "bf16"], {}, 1, "[precision_not_gated]"),
        (["mobile_sam", "--execution", "fp8"], {}, 1, "[execution_invalid]"),
        (["mobile_sam"], {"SAMFLEET_POOLS": "default=triton:8001"}, 1, "[tune_needs_own_stack]"),
        (["mobile_sam", "--task", "box"], {}, 2, "needs --images"),
        (["mobile_sam", "--min-agreement", "1.5"], {}, 2, "--min-agreement"),
        (["mobile_sam", "--max-memory", "much"], {}, 2, "not a size"),
    ],
)
def test_wrong_input_is_refused(
    benched: FormulaBench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    variables: dict[str, str],
    code: int,
    said: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["samfleet"])
    done = CliRunner().invoke(app, ["tune", *arguments, "--out", str(tmp_path / "tune")])
    assert benched.measured == []
    if code == 2:
        assert (done.exit_code, said in done.output) == (2, True)
    else:
        assert f"[{getattr(done.exception, 'code', '')}]" == said


def test_a_single_point_is_printed(
    benched: FormulaBench, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_cores", lambda: 1)
    values = ("--batch-size", "8", "--in-flight", "64")
    done = CliRunner().invoke(
        app, ["tune", "mobile_sam", "--images", str(pictures), "--out", str(tmp_path / "tune"), *values]
    )
    assert done.exit_code == 0, done.output
    assert len(benched.measured) == 2
    assert "front; baseline" in done.stdout


def test_the_command_prints_the_front_and_the_settings(benched: FormulaBench, pictures: Path, tmp_path: Path) -> None:
    command = ["tune", "mobile_sam", "--images", str(pictures), "--out", str(tmp_path / "tune"), "--in-flight", "4"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "SAMFLEET_MAX_BATCH_SIZE=" in done.stdout
    assert "the same" in done.stdout
    limited = CliRunner().invoke(app, [*command, "--max-latency", "0.5", "--json"])
    assert limited.exit_code == 5, limited.output
    answer = json.loads(limited.stdout)
    assert answer["recommended"] is None
    plain = CliRunner().invoke(app, [*command, "--plain"])
    assert len(plain.stdout.splitlines()) == len(answer["points"])
