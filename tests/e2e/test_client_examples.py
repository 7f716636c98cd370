"""The scripts of the Python client in `examples/`, run as they are on the whole stack."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fixtures.images.scenes import SIZE, write_scenes
from fixtures.servers.running_stack import FIXED, FIXED_MASKS, Samfleet
from samfleet.client import Client

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SECONDS = 280


def run(samfleet: Samfleet, name: str, *arguments: object) -> str:
    """Run a script, which finds the stack by its state folder, and return what it prints."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, arguments)]
    ran: subprocess.CompletedProcess[str] = subprocess.run(
        command, env=samfleet.environment, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def counted(samfleet: Samfleet) -> tuple[int, int]:
    with Client(samfleet.info.api_url, samfleet.info.api_key) as client:
        return sum(1 for _ in client.jobs()), sum(1 for _ in client.datasets())


def test_a_folder_becomes_a_coco_file(samfleet: Samfleet, tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "images", 3)[0].parent
    (folder / "broken.png").write_bytes(b"\x89PNG")
    file = tmp_path / "masks.json"
    printed = run(samfleet, "client_coco.py", folder, file, "--variant", FIXED)
    assert printed.count(f": {FIXED_MASKS} masks, ") == 3
    assert "broken.png: " in printed
    found = json.loads(file.read_text())
    assert len(found["annotations"]) == 3 * FIXED_MASKS
    assert len(list(folder.iterdir())) == 4


def test_variants_are_compared_and_nothing_stays(samfleet: Samfleet, tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "images", 2)[0].parent
    before = counted(samfleet)
    printed = run(samfleet, "client_variants.py", folder, FIXED).splitlines()
    assert printed[0] == f"masks\t{FIXED}"
    assert [line.split("\t")[1] for line in printed[1:3]] == [str(FIXED_MASKS)] * 2
    assert printed[3].startswith(f"{FIXED}: ")
    assert " ms" in printed[3]
    assert counted(samfleet) == before


def test_the_asynchronous_client_leaves_the_loop_free(samfleet: Samfleet) -> None:
    before = counted(samfleet)
    printed = run(samfleet, "client_async.py", "--variant", FIXED)
    assert "uploading: 4 of 4 images" in printed
    assert "segmenting: 4 of 4 images" in printed
    assert printed.count(f".png: {FIXED_MASKS} masks") == 4
    ticks = int(printed.split("other work ran ")[1].split()[0])
    assert ticks > 1
    assert counted(samfleet) == before


def test_one_client_reads_what_another_made(samfleet: Samfleet) -> None:
    pictures = [np.full((SIZE[1], SIZE[0], 3), 40 * number, dtype=np.uint8) for number in range(3)]
    with Client(state_dir=samfleet.info.state_dir) as client:
        made = client.segment(pictures, FIXED, name="pictures")
        first = [(one.file_name, one.masks.shape, one.areas.tolist()) for one in made]
        assert first == [(f"{number:06}.png", (FIXED_MASKS, SIZE[1], SIZE[0]), first[0][2]) for number in range(3)]
        assert next(iter(made)).overlay.startswith(b"\x89PNG")
        assert made._repr_html_().count("<img") == 3
    with Client(samfleet.info.api_url, samfleet.info.api_key) as client:
        again = client.results(made.job.id)
        assert [(one.file_name, one.masks.shape, one.areas.tolist()) for one in again] == first
        on_the_same = client.segment(made.job.dataset_id, FIXED, keep=False)
        assert on_the_same.job.dataset_id == made.job.dataset_id
        assert {"instances", "coco"} <= set(again.formats())
        on_the_same.close()
        client.delete_job(made.job.id)
        client.delete_dataset(made.job.dataset_id)


@pytest.mark.heavy
def test_mobile_sam_is_compared_with_a_variant_without_a_model(samfleet: Samfleet, tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "images", 2)[0].parent
    printed = run(samfleet, "client_variants.py", folder, "mobile_sam", FIXED, "--points-per-side", 4).splitlines()
    assert printed[0] == f"masks\tmobile_sam\t{FIXED}"
    for line in printed[1:3]:
        _name, masks, fixed = line.split("\t")
        assert int(masks) > 0
        assert int(fixed) == FIXED_MASKS
    assert "encode" in printed[3]
