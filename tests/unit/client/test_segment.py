"""`segment` of both clients, against a double of the API. Each test runs with the blocking and the asynchronous one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from fixtures.api.api_double import ApiDouble, dataset, image, job, page, refusal, run
from fixtures.api.segmentations import ARRAY, KEY, URL, Segment, answers, lines, row, segment
from fixtures.worker.recorded_jobs import HEIGHT, WIDTH
from samfleet.client import AsyncClient, Client, JobFailed
from samfleet.client.images import ImagesInvalid
from samfleet.client.segmenting import JobCancelled
from samfleet.client.transport import ApiError, ApiUnreachable
from samfleet.errors import InvalidInput
from samfleet.variants.catalogue import VariantNotFound

__all__ = ["segment"]


def test_arrays_are_sent_without_loss_and_give_a_result_each(segment: Segment) -> None:
    uploaded = ApiDouble(answers())
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    seen = segment(uploaded, [noise, Image.fromarray(noise[:, :, 0])], "mobile_sam", labels={"a": "b"})
    assert uploaded.uploaded_names() == ["000000.png", "000001.png"]
    body = json.loads(next(one for one in uploaded.requests if one.url.path == "/v1/jobs").content)
    assert body == {
        "dataset_id": "u1", "variants": ["mobile_sam"], "task": {"kind": "everything"}, "labels": {"a": "b"}
    }  # fmt: skip
    assert [(one.image_id, one.file_name, one.variant) for one in seen.results] == [
        (1, "1.png", "mobile_sam"),
        (2, "2.png", "mobile_sam"),
    ]
    assert seen.results[0].masks.shape == (2, HEIGHT, WIDTH)
    assert [str(one) for one in seen.seen] == [
        "uploading: 0 of 2 images",
        "uploading: 2 of 2 images",
        "segmenting: 2 of 2 images",
        "segmenting: 2 of 2 images",
    ]


def test_an_iterator_of_images_is_sent_without_a_known_total(segment: Segment) -> None:
    seen = segment(ApiDouble(answers()), iter([ARRAY, ARRAY]), ["mobile_sam"])
    assert [one.total for one in seen.seen[:2]] == [None, None]
    assert seen.seen[1].done == 2


def test_a_folder_that_the_server_reads_is_not_sent(segment: Segment, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"123")
    api = ApiDouble(
        answers(**{
            "POST /v1/datasets": dataset(image_count=1),
            "GET /v1/datasets/d1/images": page(image(0, "a.png")),
        })
    )  # fmt: skip
    segment(api, tmp_path, "mobile_sam", name="mine")
    assert api.body(1)["directory"] == str(tmp_path)
    assert api.body(1)["name"] == "mine"
    assert api.uploaded_names() == []


def test_a_bucket_is_listed_by_the_server(segment: Segment) -> None:
    listing = dataset(state="listing", listed=7)
    api = ApiDouble(answers(**{"POST /v1/datasets": listing, "GET /v1/datasets/d1": dataset()}))
    seen = segment(api, "s3://bucket/photos", "mobile_sam")
    assert api.body(1) == {"source": "s3", "url": "s3://bucket/photos"}
    assert str(seen.seen[0]) == "listing: 7 images"


def test_nothing_is_deleted_unless_asked(segment: Segment) -> None:
    api = ApiDouble(answers())
    segment(api, ARRAY, "mobile_sam")
    assert not [sent for sent in api.sent() if sent.startswith("DELETE")]
    api = ApiDouble(answers())
    segment(api, ARRAY, "mobile_sam", keep=False)
    assert api.sent()[-2:] == ["DELETE /v1/jobs/j1", "DELETE /v1/datasets/u1"]


def test_a_dataset_of_the_user_is_never_deleted(segment: Segment) -> None:
    api = ApiDouble(answers(**{"GET /v1/datasets/0a1b2c3d": dataset()}))
    segment(api, "0a1b2c3d", "mobile_sam", keep=False)
    assert [sent for sent in api.sent() if sent.startswith("DELETE")] == ["DELETE /v1/jobs/j1"]


def failing() -> dict[str, Any]:
    error = {"code": "no_image_succeeded", "message": "no image succeeded"}
    one = {"run_id": "r1", "image_id": 1, "code": "image_truncated", "message": "the file ends early"}
    errors = page(*({**one, "file_name": f"{number}.png"} for number in range(6)))
    return {
        "GET /v1/jobs/j1": job(state="failed", error=error, runs=[]),
        "GET /v1/jobs/j1/errors": errors,
    }


def test_a_failed_job_says_why_and_which_images(segment: Segment) -> None:
    api = ApiDouble(answers(**failing()))
    with pytest.raises(JobFailed, match="no image succeeded") as caught:
        segment(api, ARRAY, "mobile_sam")
    assert "0.png: the file ends early [image_truncated]" in caught.value.message
    assert "5.png" not in caught.value.message
    assert caught.value.message.endswith("…")
    assert any("job j1 stays" in note for note in caught.value.__notes__)


def test_a_failed_job_is_removed_if_nothing_is_kept(segment: Segment) -> None:
    api = ApiDouble(answers(**failing()))
    with pytest.raises(JobFailed) as caught:
        segment(api, ARRAY, "mobile_sam", keep=False)
    assert api.sent()[-2:] == ["DELETE /v1/jobs/j1", "DELETE /v1/datasets/u1"]
    assert not hasattr(caught.value, "__notes__")


def test_what_could_not_be_removed_is_named(segment: Segment) -> None:
    away = {"DELETE /v1/datasets/u1": refusal(409, "dataset_in_use")}
    with pytest.raises(JobFailed) as caught:
        segment(ApiDouble(answers(**failing(), **away)), ARRAY, "mobile_sam", keep=False)
    assert [note.partition(":")[0] for note in caught.value.__notes__] == [
        "what was made could not be removed",
        "dataset u1 stays on the server",
    ]


def test_a_cancelled_job_is_an_error(segment: Segment) -> None:
    api = ApiDouble(answers(**{"GET /v1/jobs/j1": job(state="cancelled")}))
    with pytest.raises(JobCancelled, match="j1"):
        segment(api, ARRAY, "mobile_sam")


def test_a_refused_job_leaves_no_dataset(segment: Segment) -> None:
    api = ApiDouble(answers(**{"POST /v1/jobs": refusal(422, "task_invalid")}))
    with pytest.raises(ApiError) as caught:
        segment(api, ARRAY, "mobile_sam", task="nothing")
    assert caught.value.problem_code == "task_invalid"
    assert api.sent()[-1] == "DELETE /v1/datasets/u1"


def test_misspelt_variants_are_refused_before_anything_is_sent(segment: Segment) -> None:
    api = ApiDouble(answers())
    with pytest.raises(VariantNotFound, match="mobile_sam"):
        segment(api, ARRAY, "MobileSAM")
    with pytest.raises(InvalidInput, match="no variants"):
        segment(api, ARRAY, [])
    assert api.sent() == ["GET /v1/variants"]


def test_an_iterator_with_a_bad_image_leaves_no_dataset(segment: Segment) -> None:
    api = ApiDouble(answers())
    with pytest.raises(ImagesInvalid, match=r"image 1 .* float64"):
        segment(api, iter([ARRAY, np.zeros((2, 2))]), "mobile_sam")
    assert api.sent()[-1] == "DELETE /v1/datasets/u1"


class Breaks(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that breaks off after some pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        raise httpx.ReadError("connection reset")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


def test_a_broken_stream_continues_after_the_last_whole_line(segment: Segment) -> None:
    whole = lines(row(1), row(2), row(3))
    cuts = [len(lines(row(1))) - 3, len(lines(row(1))), len(lines(row(1), row(2))) + 5]
    broken = [httpx.Response(200, stream=Breaks(whole[:cut])) for cut in cuts]
    api = ApiDouble(answers(**{"GET /v1/runs/r1/results": [*broken, httpx.Response(200, content=whole)]}))
    assert [one.image_id for one in segment(api, ARRAY, "mobile_sam").results] == [1, 2, 3]


def test_a_server_that_stays_away_is_an_error(segment: Segment) -> None:
    class Away(ApiDouble):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("refused")

    with pytest.raises(ApiUnreachable, match="samfleet up"):
        segment(Away({}), ARRAY, "mobile_sam")


def export_of(run_id: str, content: bytes) -> dict[str, Any]:
    from hashlib import sha256

    made = {"id": f"e-{run_id}", "state": "completed", "bytes": len(content), "sha256": sha256(content).hexdigest()}
    path = f"/v1/exports/e-{run_id}/file"
    return {
        f"POST /v1/runs/{run_id}/exports": {**made, "state": "queued", "error": None},
        f"GET /v1/exports/e-{run_id}": {**made, "file_name": f"{run_id}.instances.json", "error": None},
        f"GET {path}": httpx.Response(200, content=content),
    }


def test_one_run_is_saved_as_the_file_that_is_named(segment: Segment, tmp_path: Path) -> None:
    api = ApiDouble(answers(**export_of("r1", b"{}")))
    saved = segment(api, ARRAY, "mobile_sam", save=(tmp_path / "new" / "masks.json", "instances")).saved
    assert saved == [tmp_path / "new" / "masks.json"]
    assert saved[0].read_bytes() == b"{}"


def test_several_runs_are_saved_in_a_folder_by_variant(segment: Segment, tmp_path: Path) -> None:
    both = [run(), run(id="r2", variant="null")]
    empty = httpx.Response(200, content=b"")
    api = ApiDouble(
        answers(**{
            **export_of("r1", b"1"),
            **export_of("r2", b"2"),
            "GET /v1/jobs/j1": job(runs=both),
            "GET /v1/runs/r2/results": empty,
        })
    )  # fmt: skip
    saved = segment(api, ARRAY, ["mobile_sam", "null"], save=(tmp_path, "instances")).saved
    assert {path.name: path.read_bytes() for path in saved} == {
        "mobile_sam.instances.json": b"1",
        "null.instances.json": b"2",
    }


def test_both_clients_have_the_same_calls() -> None:
    import inspect

    of_admins = {"tenant", "key", "webhook", "audit", "storage", "site", "login", "measurements", "price", "delivery"}
    of_one = {"download_results", "download_overlay", "report_csv", "carry_out"}  # whose pauses the CLI may replace
    names = {name for name in dir(Client) if not name.startswith("_") and callable(getattr(Client, name))}
    others = {name for name in names if any(word in name for word in of_admins)} | of_one
    for name in sorted(names - others):
        one, other = getattr(Client, name), getattr(AsyncClient, name)
        assert list(inspect.signature(one).parameters) == list(inspect.signature(other).parameters), name
        assert one.__doc__, name


def test_signatures_of_calls_are_those_of_their_descriptions() -> None:
    import inspect

    call: Callable[..., Any] = Client.submit_job
    assert list(inspect.signature(call).parameters)[:4] == ["self", "dataset_id", "variants", "task"]
    with Client(URL, KEY) as client:
        assert list(inspect.signature(client.submit_job).parameters)[:3] == ["dataset_id", "variants", "task"]


def test_a_stream_that_always_breaks_at_the_same_image_is_an_error(segment: Segment) -> None:
    whole = lines(row(1), row(2))
    broken = [httpx.Response(200, stream=Breaks(whole[:-5])) for _ in range(9)]
    api = ApiDouble(answers(**{"GET /v1/runs/r1/results": broken}))
    with pytest.raises(ApiUnreachable, match="connection reset"):
        segment(api, ARRAY, "mobile_sam")
    assert 0 < len(broken) < 9
