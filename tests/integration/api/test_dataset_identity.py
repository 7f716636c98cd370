"""Reports distinguish datasets by content, not by the names of their folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, write_pictures
from samfleet.db.session import read_only


def instances(path: Path, images: int, left: int = 4) -> Path:
    box = [left, 5, 7, 9]
    path.write_text(
        json.dumps(
            {
                "images": [{"id": at + 1, "file_name": f"{at}.png", "width": 32, "height": 24} for at in range(images)],
                "categories": [{"id": 1, "name": "thing"}],
                "annotations": [
                    {"id": at + 1, "image_id": at + 1, "category_id": 1, "bbox": box, "area": 63, "iscrowd": 0,
                     "segmentation": [[left, 5, left + 7, 5, left + 7, 14, left, 14]]}
                    for at in range(images)
                ],
            }
        )
    )  # fmt: skip
    return path


def measure(api: Api, tenant: Tenant, folder: Path, **fields: Any) -> dict[str, Any]:
    body = {"source": "directory", "directory": str(folder), **fields}
    dataset: dict[str, Any] = tenant.http.post("/v1/datasets", json=body).json()
    job = {"dataset_id": dataset["id"], "variants": ["mobile_sam"], "task": {"kind": "everything"}}
    carry_out(api, tenant.http.post("/v1/jobs", json=job).json())
    return dataset


def quality(tenant: Tenant, **params: Any) -> dict[str, int]:
    rows = tenant.http.get("/v1/reports/quality", params=params).json()["rows"]
    return {row["dataset"]: row["n"] for row in rows}


@pytest.fixture
def two_folders(folder: Path) -> tuple[Path, Path]:
    """Two different folders that are both called `images`."""
    found = (folder / "a" / "images", folder / "b" / "images")
    for count, one in enumerate(found, start=2):
        one.mkdir(parents=True)
        write_pictures(one, count)
    return found


def content(api: Api, dataset: dict[str, Any]) -> str:
    with read_only(api.engine) as session:
        query = text("SELECT content_sha256 FROM datasets WHERE id = :id")
        return str(session.execute(query, {"id": dataset["id"]}).scalar_one())


def test_datasets_with_the_same_name_have_separate_rows_in_every_report(
    api: Api, tenant: Tenant, two_folders: tuple[Path, Path]
) -> None:
    first, second = (measure(api, tenant, one) for one in two_folders)
    label = f"images #{content(api, second)[:12]}"
    assert quality(tenant) == {"images": 2, label: 3}
    assert quality(tenant, dataset="images") == {"images": 2}
    assert quality(tenant, dataset=label) == {label: 3}
    points = tenant.http.get("/v1/reports/pareto").json()["rows"]
    assert {row["dataset"]: row["dominated"] for row in points} == {"images": False, label: False}
    with read_only(api.engine) as session:
        query = text("SELECT dataset, n FROM reports.quality WHERE tenant_id = :tenant")
        rows = session.execute(query, {"tenant": tenant.id}).all()
    assert {row.dataset: row.n for row in rows} == {"images": 2, label: 3}
    assert content(api, first) != content(api, second)


def test_the_same_images_are_one_dataset_under_any_name(
    api: Api, tenant: Tenant, two_folders: tuple[Path, Path]
) -> None:
    measure(api, tenant, two_folders[0])
    measure(api, tenant, two_folders[0], name="again")
    assert quality(tenant) == {"images": 4}


def test_annotations_are_part_of_the_content(
    api: Api, tenant: Tenant, folder: Path, two_folders: tuple[Path, Path]
) -> None:
    images = two_folders[0]
    paths = {name: str(instances(folder / f"{name}.json", 2, left)) for name, left in (("x", 4), ("y", 5), ("z", 4))}
    plain = content(api, measure(api, tenant, images))
    found = {name: content(api, measure(api, tenant, images, annotations_path=path)) for name, path in paths.items()}
    assert found["x"] == found["z"]
    assert len({plain, found["x"], found["y"]}) == 3
    assert len(quality(tenant)) == 3


def test_an_upload_and_a_directory_of_the_same_files_have_equal_content(
    api: Api, tenant: Tenant, folder: Path, two_folders: tuple[Path, Path]
) -> None:
    images = two_folders[0]
    annotations = instances(folder / "x.json", 2)
    listed = measure(api, tenant, images, annotations_path=str(annotations))
    sent = tenant.http.post("/v1/datasets", json={"source": "upload", "name": "sent"}).json()
    for name in ("1.png", "0.png"):
        files = {"files": (name, (images / name).read_bytes())}
        tenant.http.post(f"/v1/datasets/{sent['id']}/images", files=files)
    tenant.http.put(f"/v1/datasets/{sent['id']}/annotations", content=annotations.read_bytes())
    tenant.http.post(f"/v1/datasets/{sent['id']}/seal")
    assert content(api, sent) == content(api, listed)
