from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageChops, ImageStat
from sqlalchemy import select

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import (
    HEIGHT,
    WIDTH,
)
from samfleet.datasets.content import disk_path
from samfleet.db.models import DatasetImage, Job, Run
from samfleet.db.session import transaction


def note_times(api: Api, run_path: str) -> None:
    """Record the times of the run's files, which a listing leaves out for files that were just written."""
    with transaction(api.engine) as session:
        of_run = select(Job.dataset_id).join(Run).where(Run.id == run_path.rpartition("/")[2])
        for image in session.scalars(select(DatasetImage).where(DatasetImage.dataset_id.in_(of_run))):
            status = Path(disk_path(image.uri)).stat()
            image.modified_ns, image.changed_ns = status.st_mtime_ns, status.st_ctime_ns


def test_a_picture_of_one_image_is_drawn(tenant: Tenant, run_path: str) -> None:
    answer = tenant.http.get(f"{run_path}/images/3/overlay.png")
    assert answer.headers["Content-Type"] == "image/png"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.size == (WIDTH, HEIGHT)
        assert picture.getpixel((0, 0)) == (200, 20, 0)
        assert picture.getpixel((8, 10)) != (200, 20, 0)
    small = tenant.http.get(f"{run_path}/images/3/overlay.png", params={"max_side": 16})
    with Image.open(io.BytesIO(small.content)) as picture:
        assert picture.size == (16, 12)
    bare = tenant.http.get(f"{run_path}/images/3/overlay.png", params={"with_masks": False})
    with Image.open(io.BytesIO(bare.content)) as picture:
        assert picture.getcolors() == [(WIDTH * HEIGHT, (200, 20, 0))]


def test_small_pictures_are_stored_with_the_run(tenant: Tenant, folder: Path, run_path: str) -> None:
    path, params = f"{run_path}/images/3/overlay.png", {"max_side": 320}
    drawn = tenant.http.get(path, params=params)
    (folder / "2.png").unlink()  # nothing can be drawn any more
    assert tenant.http.get(path, params=params).content == drawn.content
    assert tenant.http.get(path, params={**params, "with_masks": False}).status_code == 422
    assert tenant.http.get(path, params={"max_side": 321}).status_code == 422


def test_a_preview_is_a_small_jpeg_that_is_stored_with_the_run(tenant: Tenant, folder: Path, run_path: str) -> None:
    path = f"{run_path}/images/3/preview.jpg"
    drawn = tenant.http.get(path)
    assert drawn.headers["Content-Type"] == "image/jpeg"
    looks: tuple[dict[str, bool], ...] = ({}, {"with_masks": False})
    overlays = [tenant.http.get(f"{run_path}/images/3/overlay.png", params=look) for look in looks]
    preview, masks, plain = (Image.open(io.BytesIO(answer.content)) for answer in (drawn, *overlays))
    assert (preview.format, preview.size) == ("JPEG", masks.size)

    def difference(other: Image.Image) -> float:
        """Return the mean difference of the brightness; JPEG blurs the colours of this tiny picture."""
        return float(ImageStat.Stat(ImageChops.difference(preview.convert("L"), other.convert("L"))).mean[0])

    assert difference(masks) < 3 < difference(plain)
    (folder / "2.png").unlink()  # nothing can be drawn any more
    assert tenant.http.get(path).content == drawn.content
    assert tenant.http.get(path, headers={"If-None-Match": drawn.headers["ETag"]}).status_code == 304
    assert tenant.http.get(path, params={"max_side": 640}).json()["code"] == "image_missing"
    assert tenant.http.get(path, params={"max_side": 500}).json()["code"] == "payload_invalid"
    assert tenant.http.get(f"{run_path}/images/2/preview.jpg").json()["code"] == "image_not_segmented"


def test_a_picture_that_the_browser_has_is_not_drawn_again(tenant: Tenant, folder: Path, run_path: str) -> None:
    path, params = f"{run_path}/images/3/overlay.png", {"max_side": 300}
    drawn = tenant.http.get(path, params=params)
    assert drawn.headers["Cache-Control"] == "private, max-age=3600"
    assert drawn.headers["Vary"] == "Authorization, Cookie"
    (folder / "2.png").unlink()  # nothing can be drawn any more
    known = {"If-None-Match": drawn.headers["ETag"]}
    assert tenant.http.get(path, params=params, headers=known).status_code == 304
    for other in ({"max_side": 301}, {**params, "with_masks": False}):
        assert tenant.http.get(path, params=other, headers=known).status_code == 422


def test_a_missing_image_file_has_no_picture(tenant: Tenant, folder: Path, run_path: str) -> None:
    (folder / "2.png").unlink()
    answer = tenant.http.get(f"{run_path}/images/3/overlay.png")
    assert (answer.status_code, answer.json()["code"]) == (422, "image_missing")
    (folder / "2.png").write_bytes(b"text")
    answer = tenant.http.get(f"{run_path}/images/3/overlay.png")
    assert (answer.status_code, answer.json()["code"]) == (422, "image_unreadable")
    Image.new("RGB", (WIDTH, HEIGHT + 1)).save(folder / "2.png")
    answer = tenant.http.get(f"{run_path}/images/3/overlay.png")
    assert (answer.status_code, answer.json()["code"]) == (422, "source_changed")
    assert f"has {WIDTH} x {HEIGHT + 1} pixels, and had {WIDTH} x {HEIGHT}" in answer.json()["detail"]


def test_the_picture_under_the_masks_is_the_file_itself(api: Api, tenant: Tenant, folder: Path, run_path: str) -> None:
    note_times(api, run_path)
    path = f"{run_path}/images/3/picture"
    answer = tenant.http.get(path)
    assert answer.content == (folder / "2.png").read_bytes()
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    again = tenant.http.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    small = tenant.http.get(path, params={"max_side": 16}, headers={"If-None-Match": answer.headers["ETag"]})
    assert small.headers["ETag"] != answer.headers["ETag"]
    with Image.open(io.BytesIO(small.content)) as picture:
        assert picture.size == (16, 12)


def test_an_image_that_failed_has_a_picture(tenant: Tenant, folder: Path, run_path: str) -> None:
    assert tenant.http.get(f"{run_path}/images/2/picture").content == (folder / "1.png").read_bytes()


def test_a_file_that_changed_is_neither_confirmed_nor_shown_under_other_masks(
    api: Api, tenant: Tenant, folder: Path, run_path: str
) -> None:
    note_times(api, run_path)
    path = f"{run_path}/images/3/picture"
    tag = tenant.http.get(path).headers["ETag"]
    Image.new("RGB", (WIDTH, HEIGHT), "blue").save(folder / "2.png")
    answer = tenant.http.get(path, headers={"If-None-Match": tag})
    assert answer.content == (folder / "2.png").read_bytes()
    assert "ETag" not in answer.headers
    Image.new("RGB", (WIDTH, HEIGHT + 1)).save(folder / "2.png")
    refused = tenant.http.get(path, headers={"If-None-Match": tag})
    assert (refused.status_code, refused.json()["code"]) == (422, "source_changed")
    (folder / "2.png").unlink()
    missing = tenant.http.get(path)
    assert (missing.status_code, missing.json()["code"]) == (422, "image_missing")
