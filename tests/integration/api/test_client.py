"""The command line's client against the real server: both follow the same contract."""

from __future__ import annotations

import json
from pathlib import Path

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, failed, segmented, write_pictures
from samfleet.client.client import SamfleetClient
from samfleet.client.image_schemas import Neighbour
from samfleet.jobs.outcomes import ImageOutcome, ShardImage


def first_fails(image: ShardImage) -> ImageOutcome:
    return failed(image) if image.image_id == 1 else segmented(image)


def test_the_client_parses_every_response_of_the_server(api: Api, tenant: Tenant, folder: Path, tmp_path: Path) -> None:
    write_pictures(folder, 3)
    triangle = [[1, 1, 5, 1, 5, 5]]
    annotations = tmp_path / "instances.json"
    annotations.write_text(
        json.dumps(
            {
                "images": [{"id": n + 1, "file_name": f"{n}.png"} for n in range(3)],
                "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": triangle}],
            }
        )
    )
    with SamfleetClient(api.url, tenant.key) as client:
        assert client.create_directory_dataset(folder, annotations=annotations_inside(folder, annotations)).image_count
        dataset = client.create_upload_dataset(name="mine")
        client.upload_images(dataset.id, [(path.name, path) for path in sorted(folder.glob("*.png"))])
        client.upload_annotations(dataset.id, annotations)
        assert client.seal_dataset(dataset.id).annotation_count == 1
        assert [image.image_id for image in client.dataset_images(dataset.id)] == [1, 2, 3]
        submitted = client.submit_job(dataset.id, ["mobile_sam"], {"kind": "everything"})
        carry_out(api, tenant.http.get(f"/v1/jobs/{submitted.id}").json(), first_fails)
        job = client.job(submitted.id)
        assert (job.state, job.counts.succeeded, job.counts.failed) == ("completed_with_errors", 2, 1)
        assert [one.id for one in client.jobs(state="completed_with_errors")] == [job.id]
        assert [error.code for error in client.job_errors(job.id)] == ["image_truncated"]
        run = client.run(job.runs[0].id)
        assert run.stages
        assert run.stages["encode"].n == 2
        whole, bare = client.image_result(run.id, 2), client.image_result(run.id, 2, with_masks=False)
        assert (whole.image_id, bare.image_id, len(whole.masks), bare.masks) == (2, 2, 2, ())
        listed = list(client.run_images(run.id, sort="-image_ms", max_mask_count=2, outcome=None))
        assert {image.image_id for image in listed} == {2, 3}
        client.download_results(run.id, tmp_path / "masks.json")
        client.download_overlay(run.id, 2, tmp_path / "2.png")
        assert client.image_annotations(run.id, 2).annotated
        assert client.image_neighbours(run.id, 2).next == Neighbour(image_id=3, file_name="2.png", outcome="succeeded")
        assert client.image_neighbours(run.id, 2, outcome="succeeded").previous is None
        assert client.picture(run.id, 2)[:4] == b"\x89PNG"
    assert len(json.loads((tmp_path / "masks.json").read_text())) == 4
    assert (tmp_path / "2.png").read_bytes().startswith(b"\x89PNG")


def annotations_inside(folder: Path, annotations: Path) -> Path:
    """Copy the annotations into a folder that the server may read."""
    path = folder / "instances.json"
    path.write_bytes(annotations.read_bytes())
    return path
