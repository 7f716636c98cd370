"""A new user's first hour, command by command, in a folder with a space and behind a dead proxy."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO

from fixtures.images.scenes import write_scenes
from fixtures.models.shared_data import weights_dir
from fixtures.servers.running_stack import Finished
from fixtures.waiting import until
from samfleet_cli.local_stack.stack import stop_stack

pytestmark = [pytest.mark.tools, pytest.mark.timeout(900)]

TOOLS = Path(sys.prefix) / "tools" / "bin" / "python"
READER = Path(__file__).with_name("read_coco.py")
PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"), "http://127.0.0.1:9")
MESS = ("._a.jpg", ".DS_Store", ".Trash-1000/old.jpg", "@eaDir/a.jpg/thumb.jpg", ".ipynb_checkpoints/a.jpg", "b.heic")
SMALL = ("--variant", "mobile_sam", "--points-per-side", "4")


@dataclass(frozen=True)
class Shell:
    """A terminal in this folder."""

    folder: Path

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SAMFLEET_")}
        environment = {**kept, **PROXIES, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "160"}
        environment |= {"SAMFLEET_WEIGHTS_DIR": str(weights_dir()), "SAMFLEET_SHARD_SIZE": "2"}
        return subprocess.Popen(
            (sys.executable, "-P", "-m", "samfleet_cli.main", *arguments),
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str) -> Finished:
        process = self.started(*arguments)
        stdout, stderr = process.communicate(timeout=280)
        return Finished(process.returncode, stdout, stderr)

    def jobs(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self("jobs", "list", "--json").json()
        return listed


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    folder = tmp_path / "my photos"
    folder.mkdir()
    yield Shell(folder)
    stop_stack(folder / ".samfleet")


def test_the_commands_of_the_first_hour_work(shell: Shell) -> None:
    demonstrate(shell)
    segment_a_folder_as_it_is(shell)
    open_what_was_written(shell)
    make_mistakes(shell)
    interrupt_and_follow(shell)


def demonstrate(shell: Shell) -> None:
    demo = shell("demo")
    assert demo.exit_code == 0, demo.stderr
    assert (shell.folder / "demo-output" / "index.html").is_file()
    up = shell("up", "--detach")
    assert up.exit_code == 0, up.stderr
    assert "/dashboard/" in up.stderr + up.stdout


def segment_a_folder_as_it_is(shell: Shell) -> None:
    photos = shell.folder / "holiday"
    scenes = write_scenes(photos, 2)
    for name in MESS:
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(scenes[0].read_bytes())
    done = shell("segment", "holiday", *SMALL, "--out", "out")
    assert done.exit_code == 0, done.stderr
    assert "2 images" in done.stderr
    assert "left out: " in done.stderr
    assert "b.heic" in done.stderr
    assert "out/mobile_sam.instances.json" in done.stdout + done.stderr
    # The folder above also has files of the stack, of the demo and of the results; it adds only the two photographs.
    whole = shell("segment", ".", *SMALL, "--limit", "50", "--out", "whole", "--json")
    assert whole.exit_code == 0, whole.stderr
    listed = json.loads((shell.folder / "whole" / "dataset.json").read_text())["images"]
    assert not [image["file_name"] for image in listed if ".samfleet" in image["file_name"]]


def open_what_was_written(shell: Shell) -> None:
    out = shell.folder / "out"
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(out / "dataset.json"))
        results = truth.loadRes(str(out / "mobile_sam.coco.json"))
        instances = COCO(str(out / "mobile_sam.instances.json"))
    assert len(results.anns) == len(instances.anns) > 0
    images = shell.folder / "holiday"
    command = (TOOLS, READER, "supervision", out / "mobile_sam.instances.json", images)
    read = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert read.returncode == 0, read.stderr
    seen = json.loads(read.stdout.splitlines()[-1])
    assert (seen["images"], len(seen["objects"])) == (2, len(instances.anns))
    assert seen["categories"] == ["object"]


def make_mistakes(shell: Shell) -> None:
    before = len(shell.jobs())
    again = shell("segment", "holiday", *SMALL, "--out", "out")
    assert again.exit_code == 1
    assert again.stderr.rstrip().endswith("[results_exist]")
    assert "--force" in again.stderr
    typo = shell("segment", "holiday", "--variant", "mobilesam", "--out", "other")
    assert typo.exit_code == 1
    assert "did you mean 'mobile_sam'" in typo.stderr or "did you mean mobile_sam" in typo.stderr
    nowhere = shell("segment", "holiday", *SMALL, "--out", "/proc/nowhere")
    assert nowhere.stderr.rstrip().endswith("[out_not_writable]")
    assert len(shell.jobs()) == before
    assert not (shell.folder / "other").exists()


def interrupt_and_follow(shell: Shell) -> None:
    write_scenes(shell.folder / "many", 6)
    before = {job["id"] for job in shell.jobs()}
    process = shell.started("segment", "many", *SMALL, "--out", "later")
    until(lambda: bool({job["id"] for job in shell.jobs()} - before))
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    (job_id,) = {job["id"] for job in shell.jobs()} - before
    assert f"samfleet jobs follow {job_id} --out later" in stderr
    followed = shell("jobs", "follow", job_id[:8], "--out", "later")
    assert followed.exit_code == 0, followed.stderr
    written = json.loads((shell.folder / "later" / "summary.json").read_text())
    assert written["counts"] == {"total": 6, "succeeded": 6, "failed": 0}
