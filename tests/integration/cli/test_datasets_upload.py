"""`samfleet datasets upload` against the real API: interrupted, continued, and repeated for another dataset."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fixtures.api.running_api import Api, Tenant
from fixtures.images.animations import animated
from samfleet.client.transport import ApiError, Transport
from samfleet_cli import main

FILES = 200
NAMES = [f"{number:03}.png" for number in range(FILES)]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(name.encode())
    return folder


class Wire:
    """Uploads as they leave the client. After `most` requests with files, the next one ends the program."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.requests = 0
        self.most: int | None = None

    def send(self, sent: Callable[..., Any], transport: Transport, method: str, path: str, **request: Any) -> Any:
        if "files" in request:
            if self.requests == self.most:
                raise KeyboardInterrupt
            self.requests += 1
            self.names += [name for _, (name, _, _) in request["files"]]
        return sent(transport, method, path, **request)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire, sent = Wire(), Transport.send
    monkeypatch.setattr(Transport, "send", lambda *given, **request: wire.send(sent, *given, **request))
    return wire


def upload(tenant: Tenant, *arguments: str | Path) -> Any:
    connection = ("--api-url", str(tenant.http.base_url), "--api-key", tenant.key)
    return CliRunner().invoke(main.app, ["datasets", "upload", *map(str, arguments), *connection])


def test_an_interrupted_upload_sends_only_the_rest_and_a_copy_nothing(tenant: Tenant, photos: Path, wire: Wire) -> None:
    wire.most = 3
    killed = upload(tenant, photos, "--resume", "mine", "--parallel", "2")
    assert killed.exit_code == 130
    (found,) = tenant.http.get("/v1/datasets").json()["items"]
    assert (found["name"], found["state"], found["image_count"]) == ("mine", "open", len(wire.names))
    assert re.search(f"--resume {found['id']}", killed.stderr)
    before = set(wire.names)
    assert 0 < len(before) < FILES

    wire.names, wire.most = [], None
    done = upload(tenant, photos, "--resume", "mine")
    assert done.exit_code == 0, done.stderr
    sealed = json.loads(done.stdout)
    assert (sealed["id"], sealed["state"], sealed["image_count"]) == (found["id"], "sealed", FILES)
    assert sorted(wire.names) == sorted(set(NAMES) - before)
    assert f"{len(before)} of them not sent again" in done.stderr

    wire.names = []
    again = upload(tenant, photos, "--resume", found["id"])
    assert json.loads(again.stdout)["id"] == found["id"]
    copy = json.loads(upload(tenant, photos, "--name", "copy").stdout)
    assert (copy["state"], copy["image_count"], wire.names) == ("sealed", FILES, [])


def test_an_id_of_no_dataset_and_other_files_are_refused(api: Api, tenant: Tenant, photos: Path) -> None:
    missing = upload(tenant, photos, "--resume", "0a1b2c3d").exception
    assert isinstance(missing, ApiError)
    assert missing.problem_code == "dataset_not_found"
    sealed = json.loads(upload(tenant, photos / NAMES[0]).stdout)
    other = upload(tenant, photos, "--resume", sealed["id"]).exception
    assert isinstance(other, ApiError)
    assert other.problem_code == "dataset_sealed"


def test_frames_of_uploaded_files_are_images(tenant: Tenant, tmp_path: Path) -> None:
    (tmp_path / "clip.gif").write_bytes(animated("GIF"))
    sealed = json.loads(upload(tenant, tmp_path, "--frames", "count=2").stdout)
    images = tenant.http.get(f"/v1/datasets/{sealed['id']}/images").json()["items"]
    assert [one["file_name"] for one in images] == ["clip.gif/000000.png", "clip.gif/000002.png"]
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "second.gif").write_bytes(animated("GIF", duration=70))
    connection = ("--api-url", str(tenant.http.base_url), "--api-key", tenant.key)
    words = ["datasets", "extend", sealed["id"], str(tmp_path / "more"), *connection]
    version = json.loads(CliRunner().invoke(main.app, words, catch_exceptions=False).stdout)
    assert (version["image_count"], version["frames"]) == (4, {"count": 2})
    refused = upload(tenant, tmp_path, "--frames", "count=2", "--frame", "1")
    assert refused.exit_code == 2
