"""Stores of both kinds: files, and S3 over real HTTP."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from samfleet.datasets.service import InputLimits
from samfleet.storage.factory import S3Options, connect_s3, open_store
from samfleet.storage.s3_store import S3Store
from samfleet.storage.store import ObjectStore

OF_INPUTS = InputLimits()


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "file":
        return open_store((tmp_path / "store").as_uri())
    client = connect_s3(S3Options(request.getfixturevalue("s3_endpoint"), "us-east-1", "test", "test"))
    client.create_bucket(Bucket=(bucket := f"bucket-{uuid.uuid4().hex}"))
    return S3Store(client, bucket, "folder")
