"""A prediction from the client through Redis to a worker, whose Triton is the shipped double."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update

from fixtures.api.predicting import PICTURE, PredictClient, client_of, keys_of, working
from fixtures.api.running_api import Api, Tenant
from fixtures.servers.file_server import FileServer, Served
from fixtures.servers.redis import RedisServer
from fixtures.worker.job_rows import FROM_FILE, results_of, start_job
from fixtures.worker.metric_changes import sampled
from fixtures.worker.worker_services import make_services, upload_picture, work_on_all
from samfleet.datasets.copying import PromptsRow
from samfleet.db.models import DatasetImage
from samfleet.db.session import transaction
from samfleet.jobs.parts import read_parts
from samfleet.wire.messages import ImageReport, SegmentReply, SegmentRequest
from samfleet_api.predictions.service import measured
from samfleet_worker.bootstrap import Services
from samfleet_worker.triton.errors import InferenceFailed, InferenceRejected, VariantWaits
from samfleet_worker.triton.memory_segmenter import SIDE, MemorySegmenter


@pytest.fixture
def client(api: Api, tenant: Tenant, redis_server: RedisServer, tmp_path: Path) -> Iterator[PredictClient]:
    with client_of(api, tenant, redis_server, tmp_path) as client:
        yield client


@pytest.fixture
def segmenter() -> MemorySegmenter:
    return MemorySegmenter()


@pytest.fixture
def worker(engine: Engine, redis_server: RedisServer, segmenter: MemorySegmenter) -> Iterator[Services]:
    services = make_services(engine, segmenter)
    with working(services, redis_server):
        yield services


def test_a_prediction_has_the_request_and_the_masks_of_a_job(
    client: PredictClient, worker: Services, segmenter: MemorySegmenter
) -> None:
    point = {"points": [[1.0, 2.0]], "labels": [1], "multimask": True}
    box = {"box": [0.0, 0.0, 2.0, 3.0], "multimask": False}
    objects = [{"id": "jar", "category_id": 7, "prompts": [point, box]}]
    response = client.predict(objects=objects)
    assert response.status_code == 200, response.text
    predicted = response.json()
    row = PromptsRow(101, "pixels", 2, objects)
    run = start_job(worker.engine, worker.queue, 1, uris=upload_picture(worker), prompted=[row], task=FROM_FILE)
    work_on_all(worker, run)
    (line,) = read_parts(worker.store, [results_of(worker.engine, run)[0].part_key])
    assert predicted["masks"] == line["masks"]
    assert [mask["object_prompt"] for mask in predicted["masks"]] == [0, 1]
    alone, of_job = segmenter.requests
    assert alone == of_job
    assert (predicted["width"], predicted["height"], predicted["pool"]) == (SIDE, SIDE, "default")
    assert predicted["stages"]["encode"] == {"ms": 1.0, "batch_ms": 1.0}
    assert predicted["weights_licence"] == "Apache-2.0"


@pytest.mark.usefixtures("worker")
def test_a_mask_reaches_triton_and_is_refused_for_variants_without(
    client: PredictClient, segmenter: MemorySegmenter
) -> None:
    mask = {"size": [SIDE, SIDE], "counts": [1, SIDE * SIDE - 1]}
    point = {"points": [[1.0, 2.0]], "labels": [0], "mask": mask}
    assert client.predict(objects=[point]).status_code == 200
    (request,) = segmenter.requests
    (prompt,) = request.prompts
    assert (prompt.labels, prompt.mask and prompt.mask.size) == ((0,), (SIDE, SIDE))
    wrong = {"mask": {"size": [1, 2], "counts": [1, 1]}}
    assert client.predict(objects=[wrong]).json()["code"] == "prompt_mask_mismatch"
    assert client.predict(variant="efficient_sam_ti", objects=[point]).json()["code"] == "prompt_unsupported"


@pytest.mark.usefixtures("worker")
def test_without_objects_everything_is_segmented(client: PredictClient, segmenter: MemorySegmenter) -> None:
    response = client.predict(task={"kind": "everything", "points_per_side": 4})
    assert [mask["point_coords"] for mask in response.json()["masks"]] == [[[1.5, 1.5]]]
    (request,) = segmenter.requests
    assert request.task.to_dict()["points_per_side"] == 4
    assert (request.image, request.prompts) == (PICTURE, ())


@pytest.mark.usefixtures("worker")
def test_an_image_of_a_dataset_is_named_by_its_id(client: PredictClient, segmenter: MemorySegmenter) -> None:
    dataset = "/v1/datasets/" + client.http.post("/v1/datasets", json={"source": "upload"}).json()["id"]
    client.http.post(f"{dataset}/images", files={"files": ("a.png", PICTURE)})
    body = {"variant": "mobile_sam", "dataset_id": dataset.rpartition("/")[2], "objects": [{"points": [[0.5, 0.5]]}]}
    open_one = client.http.post("/v1/predict", json={**body, "image_id": 1})
    assert (open_one.status_code, open_one.json()["code"]) == (404, "image_not_found")
    client.http.post(f"{dataset}/seal")
    response = client.http.post("/v1/predict", json={**body, "image_id": 1, "coordinates": "relative"})
    assert response.json()["masks"][0]["object_id"] == "1"
    assert segmenter.requests[0].prompts[0].points == ((2.0, 2.0),)
    missing = client.http.post("/v1/predict", json={**body, "image_id": 2})
    assert (missing.status_code, missing.json()["code"]) == (404, "image_not_found")


@pytest.mark.usefixtures("worker")
def test_an_image_at_a_url_is_read_from_there(
    api: Api, tenant: Tenant, redis_server: RedisServer, file_server: FileServer, segmenter: MemorySegmenter,
    tmp_path: Path,
) -> None:  # fmt: skip
    dataset = tenant.http.post("/v1/datasets", json={"source": "upload"}).json()["id"]
    tenant.http.post(f"/v1/datasets/{dataset}/images", files={"files": ("a.png", b"x")})
    tenant.http.post(f"/v1/datasets/{dataset}/seal")
    place = f"{file_server.url}/a.png"
    with transaction(api.engine) as session:
        session.execute(update(DatasetImage).where(DatasetImage.dataset_id == uuid.UUID(dataset)).values(uri=place))
    file_server.files["/a.png"] = Served(PICTURE)
    known = {"url_sources": (file_server.url.removeprefix("http://"),), "url_private_addresses": ("127.0.0.1",)}
    body = {"variant": "mobile_sam", "dataset_id": dataset, "image_id": 1}
    with client_of(api, tenant, redis_server, tmp_path, **known) as client:
        assert client.http.post("/v1/predict", json=body).status_code == 200
        file_server.files["/a.png"] = Served(PICTURE + b"0" * 5000)
        large = client.http.post("/v1/predict", json=body).json()
    assert segmenter.requests[0].image == PICTURE
    assert large["code"] == "image_too_large"
    assert "submit a job" in large["detail"]


@pytest.mark.usefixtures("worker")
def test_predictions_are_counted_by_outcome(client: PredictClient) -> None:
    name = "samfleet_prediction_duration_seconds_count"
    with sampled() as change:
        assert client.predict().status_code == 200
        assert client.code_of(variant="unheard_of") == (422, "variant_unknown")
        assert client.code_of(objects=[{"points": [[SIDE + 2, 0]]}])[1] == "prompt_outside_image"
    assert [change(name, outcome=one) for one in ("succeeded", "variant_unknown", "prompt_outside_image")] == [1] * 3
    assert change(name, outcome="crashed") == change(name, outcome="unheard_of") == 0


def test_an_unexpected_error_is_counted_as_a_crash() -> None:
    with sampled() as change, pytest.raises(ZeroDivisionError), measured():
        raise ZeroDivisionError
    assert change("samfleet_prediction_duration_seconds_count", outcome="crashed") == 1


def test_a_dataset_of_another_tenant_is_not_found(client: PredictClient, other_tenant: Tenant) -> None:
    dataset = other_tenant.http.post("/v1/datasets", json={"source": "upload"}).json()["id"]
    response = client.http.post("/v1/predict", json={"variant": "mobile_sam", "dataset_id": dataset, "image_id": 1})
    assert (response.status_code, response.json()["code"]) == (404, "dataset_not_found")


BOX = {"box": [0, 0, 2, 2]}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"variant": "sam_huge"}, (422, "variant_unknown")),
        ({"pool": "moon"}, (422, "pool_unknown")),
        ({"unknown": 1}, (422, "payload_invalid")),
        ({"objects": []}, (422, "payload_invalid")),
        ({"objects": [BOX], "task": {"kind": "everything"}}, (422, "payload_invalid")),
        ({"dataset_id": "5f0c0a52-9b0e-4a71-8d5a-0d2f6f0a1c11", "image_id": 1}, (422, "payload_invalid")),
        ({"task": {"kind": "prompts", "prompt": "box"}}, (422, "task_invalid")),
        ({"task": {"kind": "everything", "tile": {"size": 512}}}, (422, "task_invalid")),
        ({"task": {"kind": "everything", "sampler": "object_aware"}}, (422, "task_invalid")),
        ({"task": {"kind": "everything", "points_per_side": 256, "crop_n_layers": 4}}, (422, "prompts_too_many")),
        ({"objects": [{"points": [[1, 1]], "labels": [2]}]}, (422, "prompts_invalid")),
        ({"objects": [{"id": 1, **BOX}, {"id": 1, **BOX}]}, (422, "prompts_invalid")),
        ({"objects": [BOX], "coordinates": "percent"}, (422, "payload_invalid")),
        ({"objects": [{"points": [[9, 1]]}]}, (422, "prompt_outside_image")),
        ({"variant": "fastsam_s", "objects": [BOX]}, (403, "licence_not_accepted")),
    ],
)
def test_a_wrong_request_is_refused_before_it_is_sent(
    client: PredictClient, request_: dict[str, Any], code: tuple[int, str]
) -> None:
    assert client.code_of(**request_) == code


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (b"", (422, "image_empty")),
        (b"text", (422, "image_unreadable")),
        (PICTURE + b"0" * 5000, (422, "image_too_large")),
    ],
)
def test_an_unusable_image_is_refused(client: PredictClient, image: bytes, code: tuple[int, str]) -> None:
    assert client.code_of(image) == code


def test_the_form_and_the_json_are_checked(client: PredictClient) -> None:
    for sent in (
        {"json": {"variant": "mobile_sam"}},
        {"content": b"{"},
        {"content": b'{"variant": NaN}'},
        {"files": {"image": ("a.png", PICTURE)}},
        {"data": {"request": "{}"}, "files": {"image": ("a.png", PICTURE)}},
        {"data": {"request": "{}"}, "files": {"other": ("a.png", PICTURE)}},
        {"data": {"request": "{}", "more": "x"}, "files": {"image": ("a.png", PICTURE)}},
    ):
        response = client.http.post("/v1/predict", **sent)
        assert (response.status_code, response.json()["code"]) == (422, "payload_invalid"), sent


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InferenceFailed("out of memory"), (503, "prediction_failed")),
        (InferenceRejected("no such task"), (422, "prediction_rejected")),
        (VariantWaits(), (503, "prediction_failed")),
        (RuntimeError("a defect"), (503, "prediction_failed")),
    ],
)
def test_an_error_of_triton_reaches_the_client(
    client: PredictClient, segmenter: MemorySegmenter, error: Exception, code: tuple[int, str]
) -> None:
    def fail(_request: SegmentRequest) -> None:
        raise error

    segmenter.before = fail
    response = client.predict()
    assert (response.status_code, response.json()["code"]) == code
    if not isinstance(error, RuntimeError):
        assert response.json()["detail"].endswith(f"[{error.code}]")  # type: ignore[attr-defined]


@pytest.mark.usefixtures("worker")
def test_an_image_that_the_backend_cannot_read_has_its_code(client: PredictClient, segmenter: MemorySegmenter) -> None:
    report = ImageReport(error_code="image_truncated", error_message="it ends", error_stage="preprocess")
    segmenter.respond = lambda _variant, _request: SegmentReply((), report)
    assert client.code_of() == (422, "image_truncated")


@pytest.mark.usefixtures("worker")
def test_a_variant_that_is_not_loaded_is_loaded(client: PredictClient, segmenter: MemorySegmenter) -> None:
    segmenter.loaded.clear()
    assert client.predict().status_code == 200
    assert segmenter.loads == ["mobile_sam"]


def test_without_redis_a_prediction_is_refused(client: PredictClient, redis_server: RedisServer) -> None:
    redis_server.stop()
    assert client.code_of() == (503, "queue_unavailable")


@pytest.mark.usefixtures("worker")
def test_nothing_stays_in_redis(client: PredictClient, redis_server: RedisServer) -> None:
    assert client.predict().status_code == 200
    assert keys_of(redis_server) == []
