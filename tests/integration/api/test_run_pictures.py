from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from fixtures.api.running_api import Tenant
from fixtures.worker.recorded_jobs import (
    HEIGHT,
    WIDTH,
)


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
