"""Stores of both kinds: files, and S3 over real HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from samfleet.datasets.service import InputLimits
from samfleet.storage.factory import S3Options, connect_s3, open_store
from samfleet.storage.s3_store import S3Store
from samfleet.storage.store import ObjectStore

OF_INPUTS = InputLimits()


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "file":
        return open_store((tmp_path / "store").as_uri())
    client = connect_s3(S3Options(request.getfixturevalue("s3_endpoint"), "us-east-1", "test", "test"))
    client.create_bucket(Bucket=(bucket := f"bucket-{uuid.uuid4().hex}"))
    return S3Store(client, bucket, "folder")
