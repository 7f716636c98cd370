"""The corpus of hostile and odd files as one job on the whole real stack, with a variant without a model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from fixtures.images.corpus.entry import Entry
from fixtures.images.corpus.folder import LEFT_OUT, change_files, write_folder
from fixtures.servers.running_stack import FIXED, FIXED_MASKS, Samfleet
from fixtures.waiting import until
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.state import read_state
from samfleet_models.device.memory import WORKING_BYTES

PAGE = 200  # images in a reply
SMALL = 64  # pixels of the side of an overlay
JOB_SECONDS = 400  # on a machine that is busy with other work; a quiet one needs a tenth

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(JOB_SECONDS + 200)]


@dataclass(frozen=True)
class Corpus:
    """The ended job over the corpus. `wanted` is what must come out, by file name."""

    http: httpx.Client
    job: dict[str, Any]
    dataset: dict[str, Any]
    images: dict[str, dict[str, Any]]
    wanted: dict[str, Entry]
    peak_bytes: int

    @property
    def run_id(self) -> str:
        (run,) = self.job["runs"]
        return str(run["id"])


@pytest.fixture(scope="module")
def corpus(samfleet: Samfleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    folder = tmp_path_factory.mktemp("corpus")
    wanted = write_folder(folder)
    key = {"Authorization": f"Bearer {samfleet.info.api_key}"}
    with httpx.Client(base_url=samfleet.info.api_url, headers=key, timeout=60) as http:
        created = http.post("/v1/datasets", json={"source": "directory", "directory": str(folder)})
        assert created.status_code == 201, created.text
        dataset = created.json()
        change_files(folder)
        body = {"dataset_id": dataset["id"], "variants": [FIXED], "task": {"kind": "everything"}}
        submitted = http.post("/v1/jobs", json=body)
        assert submitted.status_code == 202, submitted.text
        path = f"/v1/jobs/{submitted.json()['id']}"
        until(lambda: http.get(path).json()["finished_at"] is not None, seconds=JOB_SECONDS)
        job = http.get(path).json()
        listed = list(pages(http, f"/v1/runs/{job['runs'][0]['id']}/images"))
        images = {image["file_name"]: image for image in listed}
        yield Corpus(http, job, dataset, images, wanted, peak_bytes(samfleet))


def pages(http: httpx.Client, path: str) -> Iterator[dict[str, Any]]:
    cursor: dict[str, Any] = {}
    while True:
        page = http.get(path, params={"limit": PAGE, **cursor}).json()
        yield from page["items"]
        if page["next"] is None:
            return
        cursor = {"cursor": page["next"]}


def peak_bytes(samfleet: Samfleet) -> int:
    """Return the largest resident memory so far of Triton's process for the variant."""
    state = read_state(StateDir(samfleet.info.state_dir).state_file)
    assert state is not None
    (process,) = [
        process
        for process in psutil.Process(state.supervisor.pid).children(recursive=True)
        if any(word.startswith(f"{FIXED}_") for word in process.cmdline())
    ]
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


def test_the_listing_takes_the_images_and_counts_what_it_leaves_out(corpus: Corpus) -> None:
    assert corpus.dataset["image_count"] == len(corpus.wanted)
    assert {one["reason"]: one["count"] for one in corpus.dataset["left_out"]} == LEFT_OUT


def test_each_file_has_its_masks_or_a_row_with_its_code(corpus: Corpus) -> None:
    wanted = {name: (entry.code, 0 if entry.code else FIXED_MASKS) for name, entry in corpus.wanted.items()}
    found = {name: (image["error_code"], image["mask_count"]) for name, image in corpus.images.items()}
    assert found == wanted
    assert corpus.job["state"] == "completed_with_errors"
    failed = sum(entry.code is not None for entry in corpus.wanted.values())
    assert corpus.job["counts"]["failed"] == failed
    errors = list(pages(corpus.http, f"/v1/jobs/{corpus.job['id']}/errors"))
    assert {error["file_name"]: error["code"] for error in errors} == {
        name: entry.code for name, entry in corpus.wanted.items() if entry.code
    }
    assert all(error["message"] for error in errors)


def test_the_page_of_each_image_and_its_picture_are_served(corpus: Corpus) -> None:
    base = f"/v1/runs/{corpus.run_id}/images"
    assert corpus.http.get(f"/dashboard/jobs/{corpus.job['id']}").status_code == 200
    for name, image in corpus.images.items():
        entry, path = corpus.wanted[name], f"{base}/{image['image_id']}"
        assert corpus.http.get(f"/dashboard/runs/{corpus.run_id}/images/{image['image_id']}").status_code == 200
        shown = corpus.http.get(path)
        assert shown.status_code == 200, f"{name}: {shown.text}"
        if entry.size is not None:
            assert (shown.json()["width"], shown.json()["height"]) == entry.size, name
        picture = corpus.http.get(f"{path}/overlay.png", params={"max_side": SMALL})
        assert picture.status_code == (409 if entry.code else 200), f"{name}: {picture.text}"


def test_no_request_ended_in_an_error_of_the_server(corpus: Corpus) -> None:
    metrics = corpus.http.get("/metrics").text.splitlines()
    requests = [line for line in metrics if line.startswith("samfleet_http_requests_total{")]
    assert requests
    assert [line for line in requests if 'status="5' in line] == []


def test_the_models_process_stays_within_the_memory_that_a_load_reserves(corpus: Corpus) -> None:
    sys.stdout.write(f"the process of the model took up to {corpus.peak_bytes / 2**20:.0f} MiB\n")
    assert corpus.peak_bytes < WORKING_BYTES
