from __future__ import annotations

import errno
import io
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from fixtures.api.api_double import ApiDouble, dataset, image, job, page, refusal
from samfleet.client.local_source import Source
from samfleet.client.transport import ApiError
from samfleet.variants.catalogue import VariantNotFound
from samfleet_cli import main
from samfleet_cli.connection import ApiChoice
from samfleet_cli.jobs.output_folder import (
    OutNotWritable,
    ResultsExist,
    ResultsNotWritten,
    require_out,
    said_if_not_written,
)
from samfleet_cli.jobs.progress import PlainDisplay
from samfleet_cli.jobs.segment import Segmentation, finish_job, segment, start_job

NOWHERE = "http://127.0.0.1:9"  # any request to it raises a connection error


def wanted(folder: Path, out: Path) -> Segmentation:
    return Segmentation(Source(folder), ["mobile_sam"], {"kind": "everything"}, out)


@pytest.fixture
def a_file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.touch()
    return path


def test_an_unwritable_folder_is_refused_before_any_request(tmp_path: Path, a_file: Path) -> None:
    for out in (a_file / "x", Path("/proc/samfleet")):
        with pytest.raises(OutNotWritable, match="is not writable"):
            segment(ApiChoice(NOWHERE, "key", tmp_path), wanted(tmp_path, out), PlainDisplay(io.StringIO()))


@pytest.mark.parametrize("name", ["dataset.json", "summary.json", "mobile_sam.coco.json", "mobile_sam@gpu.coco.json"])
def test_results_are_replaced_only_on_request(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ResultsExist, match=f"{name}.*--force"):
        require_out(tmp_path, ["mobile_sam"], force=False)
    require_out(tmp_path, ["mobile_sam"], force=True)


def test_a_new_or_unrelated_folder_is_accepted_and_not_created_yet(tmp_path: Path) -> None:
    (tmp_path / "tinysam.coco.json").touch()
    require_out(tmp_path, ["mobile_sam"], force=False)
    require_out(tmp_path / "new" / "out", ["mobile_sam"], force=False)
    assert [path.name for path in tmp_path.iterdir()] == ["tinysam.coco.json"]


def test_jobs_follow_refuses_existing_results_before_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mobile_sam.coco.json").touch()
    api = ApiDouble({"GET /v1/jobs/j1": job(state="running")})
    monkeypatch.setattr("samfleet_cli.connection.SamfleetClient", lambda _url, _key: api.client())
    words = ["jobs", "follow", "j1", "--out", str(tmp_path), "--api-url", NOWHERE, "--api-key", "key"]
    assert isinstance(CliRunner().invoke(main.app, words).exception, ResultsExist)


def test_a_failed_write_of_results_says_how_to_repeat_it(tmp_path: Path) -> None:
    with (
        pytest.raises(ResultsNotWritten, match=r"No space left.*samfleet jobs follow j1 --out .* --force"),
        said_if_not_written("j1", tmp_path),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_finishing_a_job_reports_failed_writes_of_results(a_file: Path) -> None:
    api = ApiDouble({"GET /v1/jobs/j1": job(runs=[])})
    api.answers |= {"GET /v1/datasets/d1/images": page(), "GET /v1/datasets/d1/categories": {"items": []}}
    with pytest.raises(ResultsNotWritten):
        finish_job(api.client(), "j1", a_file / "x", PlainDisplay(io.StringIO()))


def test_job_and_dataset_names_are_sent(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"123")
    answers = {
        "POST /v1/datasets": dataset(image_count=1),
        "GET /v1/datasets/d1/images": page(image(0, "a.jpg")),
        "POST /v1/jobs": job(),
        "GET /v1/variants": page({"name": "mobile_sam"}),
    }
    api = ApiDouble(answers)
    asked = Segmentation(
        Source(tmp_path, name="street"),
        ["mobile_sam"],
        {"kind": "everything"},
        tmp_path / "out",
        fields={"name": "night"},
    )
    start_job(api.client(), asked, PlainDisplay(io.StringIO()))
    assert (api.body(1)["name"], api.body(-1)["name"]) == ("street", "night")


def test_a_misspelt_variant_is_refused_before_a_dataset_is_created(tmp_path: Path) -> None:
    api = ApiDouble({"GET /v1/variants": page({"name": "mobile_sam"}, {"name": "tinysam"})})
    asked = Segmentation(Source(tmp_path), ["MobileSAM"], {}, tmp_path / "out")
    with pytest.raises(VariantNotFound, match=r"did you mean mobile_sam\?"):
        start_job(api.client(), asked, PlainDisplay(io.StringIO()))
    assert api.sent() == ["GET /v1/variants"]


@pytest.mark.parametrize("deleted", [httpx.Response(204), refusal(409, "dataset_in_use")])
def test_the_dataset_of_a_refused_job_is_deleted(tmp_path: Path, deleted: httpx.Response) -> None:
    (tmp_path / "a.jpg").write_bytes(b"123")
    answers = {
        "GET /v1/variants": page({"name": "mobile_sam"}),
        "POST /v1/datasets": dataset(image_count=1),
        "GET /v1/datasets/d1/images": page(image(0, "a.jpg")),
        "POST /v1/jobs": refusal(422, "pool_unknown"),
        "DELETE /v1/datasets/d1": deleted,
    }
    said = io.StringIO()
    with pytest.raises(ApiError, match="pool_unknown"):
        start_job(ApiDouble(answers).client(), wanted(tmp_path, tmp_path / "out"), PlainDisplay(said))
    assert ("could not be deleted" in said.getvalue()) is (deleted.status_code == 409)


def test_a_file_error_is_one_line_with_a_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise NotADirectoryError(errno.ENOTDIR, "Not a directory", "afile/x")

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(SystemExit):
        main.main()
    assert capsys.readouterr().err == "samfleet: afile/x: Not a directory [file_error]\n"
