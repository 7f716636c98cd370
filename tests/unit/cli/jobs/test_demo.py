from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from samfleet.client.local_source import Source
from samfleet_cli.commands.demo import where_next
from samfleet_cli.jobs.demo import PHOTOGRAPHS, PhotographsMissing, copy_photographs
from samfleet_cli.jobs.segment import Segmentation, interrupted


def test_the_photographs_come_from_the_installed_package(tmp_path: Path) -> None:
    copied = copy_photographs(tmp_path / "images")
    assert [path.name for path in copied] == list(PHOTOGRAPHS)
    for path in copied:
        with Image.open(path) as image:
            assert image.mode == "RGB"


def test_a_machine_without_scikit_image_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samfleet_cli.jobs.demo.find_spec", lambda _name: None)
    with pytest.raises(PhotographsMissing, match=r"pip install 'samfleet\[demo\]'"):
        copy_photographs(tmp_path)


def test_the_next_steps_depend_on_whether_the_stack_keeps_running() -> None:
    page = Path("demo-output/index.html")
    assert "http://127.0.0.1:8000/docs" in where_next(page, "http://127.0.0.1:8000")
    assert "samfleet up" in where_next(page, "")


def test_an_interrupted_job_can_be_found_again() -> None:
    wanted = Segmentation(Source(Path("images")), ["mobile_sam"], {}, Path("my out"), force=True)
    staying = interrupted("j1", wanted, temporary=False)
    assert "the job continues\n" in staying
    assert "samfleet jobs follow j1 --out 'my out' --force" in staying
    assert "at the next `samfleet up`" in interrupted("j1", wanted, temporary=True)
