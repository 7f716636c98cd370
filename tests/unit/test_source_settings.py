"""The setting of the buckets that datasets may be made of."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsError

from samfleet.config import Settings
from samfleet.source_settings import S3Profile


def settings(monkeypatch: pytest.MonkeyPatch, value: object) -> Settings:
    monkeypatch.setenv("SAMFLEET_S3_SOURCES", value if isinstance(value, str) else json.dumps(value))
    return Settings()


def test_profiles_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = {"buckets": ["scans"], "endpoint": "https://minio.lab:9000", "aws_profile": "lab", "anonymous": True}
    found = settings(monkeypatch, {"default": {"buckets": ["photos", "lake/cameras/"]}, "lab": lab}).s3_sources
    assert found["default"] == S3Profile(buckets=("photos", "lake/cameras"))
    assert found["lab"].model_dump(exclude_defaults=True) == {**lab, "buckets": ("scans",)}
    assert settings(monkeypatch, "").s3_sources == {}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"default": {}}, "buckets"),
        ({"default": {"buckets": []}}, "buckets"),
        ({"default": {"buckets": ["s3://photos"]}}, "not written bucket or bucket/folder"),
        ({"default": {"buckets": ["*"]}}, "not written bucket or bucket/folder"),
        ({"default": {"buckets": ["photos"], "endpoint": "minio:9000"}}, "not an address such as"),
        ({"default": {"buckets": ["photos"], "addressing": "dns"}}, "addressing"),
        ({"default": {"buckets": ["photos"], "secret": "x"}}, "secret"),
        ({"a@b": {"buckets": ["photos"]}}, "no name of a profile"),
    ],
)
def test_other_values_are_refused(monkeypatch: pytest.MonkeyPatch, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(monkeypatch, value)


def test_text_that_is_not_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="s3_sources"):
        settings(monkeypatch, "photos")


@pytest.mark.parametrize(
    ("bucket", "prefix", "allowed"),
    [
        ("photos", "", True),
        ("photos", "a/", True),
        ("photos-old", "", False),
        ("lake", "", False),
        ("lake", "cameras", False),
        ("lake", "cameras/", True),
        ("lake", "cameras/7", True),
        ("lake", "cameras-old/", False),
        ("lake", "/cameras/", False),
    ],
)
def test_a_folder_is_allowed_whole(bucket: str, prefix: str, allowed: bool) -> None:
    assert S3Profile(buckets=("photos", "lake/cameras")).allows(bucket, prefix) is allowed
