"""Datasets of a bucket, listed by a task from an S3 server over HTTP."""

from __future__ import annotations

import uuid
from dataclasses import replace
from unittest.mock import ANY

import pytest
from sqlalchemy import Engine, select

from fixtures.servers.s3_server import Buckets
from samfleet.datasets.content import read_image
from samfleet.datasets.delete import delete_dataset
from samfleet.datasets.folder_walk import ListingLimits
from samfleet.datasets.s3_listing import S3Listing, S3Request, create_s3_listing
from samfleet.datasets.s3_sources import S3Sources
from samfleet.datasets.service import InputLimits
from samfleet.db.models import Dataset, DatasetImage, DatasetSource, DatasetState, Tenant
from samfleet.db.session import transaction
from samfleet.errors import SamfleetError
from samfleet.image_errors import ImageNameInvalid
from samfleet.jobs import listing as task
from samfleet.jobs.listing import list_dataset
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import StorageUnavailable

LIMITS = InputLimits()
PHOTOS = ("b.jpg", "a.PNG", "sub/Größe 1+1.png", "sub/z#?.webp", "sub.jpg")
OTHERS = ("", ".thumbs/1.jpg", ".thumbs/2.jpg", "@eaDir/x/1.jpg", "notes.txt", "raw/1.cr2", "sub/", "sub/.DS_Store")
SORTED = ["a.PNG", "b.jpg", "sub.jpg", "sub/Größe 1+1.png", "sub/z#?.webp"]
LEFT_OUT = [
    {"reason": "hidden", "count": 2, "examples": [".thumbs/", "sub/.DS_Store"]},
    {"reason": "system", "count": 1, "examples": ["@eaDir/"]},
    {"reason": "format", "count": 1, "examples": ["raw/1.cr2"]},
    {"reason": "other", "count": 1, "examples": ["notes.txt"]},
]


@pytest.fixture(scope="module")
def bucket(buckets: Buckets) -> str:
    keys = [*(f"2026/photos/{name}" for name in (*PHOTOS, *OTHERS)), "2026/photos-old/x.jpg", "2026/readme.txt"]
    return buckets.make({key: key.encode() for key in keys})


@pytest.fixture
def sources(buckets: Buckets, bucket: str) -> S3Sources:
    return S3Sources({"default": buckets.profile(bucket)})


def begin(engine: Engine, request: S3Request) -> uuid.UUID:
    with transaction(engine) as session:
        tenant = Tenant(name=uuid.uuid4().hex)
        session.add(tenant)
        session.flush()
        return create_s3_listing(session, tenant.id, request).id


def listed(engine: Engine, sources: S3Sources, url: str, limits: InputLimits = LIMITS, **options: object) -> Dataset:
    dataset_id = begin(engine, S3Request(url, "default", **options))  # type: ignore[arg-type]
    list_dataset(engine, dataset_id, (), limits, sources)
    with transaction(engine) as session:
        return session.get_one(Dataset, dataset_id)


def images(engine: Engine, dataset: Dataset) -> list[DatasetImage]:
    with transaction(engine) as session:
        query = select(DatasetImage).where(DatasetImage.dataset_id == dataset.id).order_by(DatasetImage.position)
        return list(session.scalars(query).all())


def names(engine: Engine, dataset: Dataset) -> list[str]:
    return [image.file_name for image in images(engine, dataset)]


def test_a_folder_of_a_bucket_becomes_a_dataset_like_one_on_disk(
    engine: Engine, sources: S3Sources, bucket: str
) -> None:
    dataset = listed(engine, sources, f"s3://{bucket}/2026/photos")
    assert (dataset.source, dataset.state, dataset.name) == (DatasetSource.S3, DatasetState.SEALED, "photos")
    assert (dataset.image_count, dataset.left_out) == (len(SORTED), LEFT_OUT)
    found = images(engine, dataset)
    assert [(row.position, row.image_id) for row in found] == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]
    assert [row.file_name for row in found] == SORTED
    for row in found:
        key = f"2026/photos/{row.file_name}".encode()
        assert row.size_bytes == len(key)
        assert read_image(MemoryStore(), row.uri, 1000, sources.readers) == key


def test_hidden_keys_are_included_on_demand(engine: Engine, sources: S3Sources, bucket: str) -> None:
    dataset = listed(engine, sources, f"s3://{bucket}/2026/photos/", include_hidden=True)
    assert dataset.image_count == len(SORTED) + 3
    assert [one["reason"] for one in dataset.left_out] == ["format", "other"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("2026/photos/*", ["a.PNG", "b.jpg", "sub.jpg"]),
        ("2026/photos/s*", ["sub.jpg"]),
        ("2026/photos/**", SORTED),
        ("2026/photos/**/*.webp", ["sub/z#?.webp"]),
        ("2026/photos*/?.jpg", ["photos-old/x.jpg", "photos/b.jpg"]),
        ("2026/photos/b.jpg", ["b.jpg"]),
        ("2026/photos/b.jp[g]", ["b.jpg"]),
    ],
)
def test_patterns_and_single_objects(
    engine: Engine, sources: S3Sources, bucket: str, path: str, found: list[str]
) -> None:
    assert names(engine, listed(engine, sources, f"s3://{bucket}/{path}")) == found


def test_a_limit_takes_the_first_keys_and_stops(engine: Engine, sources: S3Sources, bucket: str) -> None:
    assert names(engine, listed(engine, sources, f"s3://{bucket}/2026/photos", limit=2)) == SORTED[:2]
    assert names(engine, listed(engine, sources, f"s3://{bucket}/2026/photos", limit=9)) == SORTED


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("nothing", "dataset_empty", "has no objects; check the bucket and the folder"),
        ("2026/photos/raw", "dataset_empty", r"has no images; .*; left out: 1 in other formats"),
        ("2026/photos/*.tif", "dataset_empty", r"no image matches .* \('*.* keys begin with '2026/photos/'\)"),
        ("2026/readme.txt", "dataset_empty", "left out: 1 without an image suffix"),
        ("2026/photos/b.jp", "dataset_empty", "has no objects"),
    ],
)
def test_an_address_without_images_fails_its_dataset(
    engine: Engine, sources: S3Sources, bucket: str, path: str, code: str, message: str
) -> None:
    dataset = listed(engine, sources, f"s3://{bucket}/{path}")
    assert (dataset.state, dataset.error_code, dataset.image_count) == (DatasetState.FAILED, code, 0)
    with pytest.raises(SamfleetError, match=message.replace("('*", "(")):
        raise SamfleetError(dataset.error_message)
    assert images(engine, dataset) == []


def test_a_missing_bucket_and_one_not_allowed_any_more(engine: Engine, buckets: Buckets) -> None:
    sources = S3Sources({"default": buckets.profile("is-missing")})
    missing = listed(engine, sources, "s3://is-missing/a")
    assert (missing.error_code, missing.error_message) == ("bucket_not_found", ANY)
    assert "correct its name, or the profile's endpoint (profile 'default'" in (missing.error_message or "")
    assert listed(engine, sources, "s3://another/a").error_code == "bucket_not_allowed"
    assert listed(engine, S3Sources({}), "s3://is-missing/a").error_code == "s3_profile_unknown"


def test_limits_of_the_server_are_errors_and_not_shorter_lists(engine: Engine, sources: S3Sources, bucket: str) -> None:
    url = f"s3://{bucket}/2026/photos"
    few = replace(LIMITS, images=len(SORTED) - 1)
    assert listed(engine, sources, url, replace(few, images=len(SORTED))).state is DatasetState.SEALED
    assert "SAMFLEET_MAX_DATASET_IMAGES" in (listed(engine, sources, url, few).error_message or "")
    assert listed(engine, sources, url, few, limit=2).state is DatasetState.SEALED
    for limits, setting in (
        (ListingLimits(entries=5), "SAMFLEET_MAX_LISTING_ENTRIES"),
        (ListingLimits(seconds=-1), "SAMFLEET_LISTING_TIME"),
    ):
        dataset = listed(engine, sources, url, replace(LIMITS, listing=limits))
        assert dataset.error_code == "dataset_too_large"
        assert setting in (dataset.error_message or "")


def test_keys_that_are_no_file_names_are_failed_images(engine: Engine, buckets: Buckets) -> None:
    keys = ["a\x01.jpg", "a\\x01.jpg", "b//c.jpg", "good.jpg", "../up.jpg", f"{'n' * 300}.jpg"]
    bucket = buckets.make(dict.fromkeys(keys, b"image"))
    sources = S3Sources({"default": buckets.profile(bucket)})
    found = images(engine, listed(engine, sources, f"s3://{bucket}", include_hidden=True))
    assert len(found) == len(keys)
    good = {row.file_name for row in found if row.uri.startswith("s3:")}
    assert good == {"a\\x01.jpg", "good.jpg"}
    for row in found:
        if row.file_name not in good:
            with pytest.raises(ImageNameInvalid, match="file name"):
                read_image(MemoryStore(), row.uri, 1000, sources.readers)


def test_pages_show_progress_and_a_killed_listing_begins_again(
    engine: Engine, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "SIGN_OF_LIFE_SECONDS", -1.0)
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "4")  # of a page of the server, instead of a thousand
    bucket = buckets.make({f"{number:04}.jpg": b"x" for number in range(6)})
    sources = S3Sources({"default": buckets.profile(bucket)})
    dataset_id = begin(engine, S3Request(f"s3://{bucket}", "default"))
    shown = []

    def read() -> Dataset:
        with transaction(engine) as session:
            return session.get_one(Dataset, dataset_id)

    def killed(*_arguments: object) -> None:
        shown.append((read().listed, read().image_count))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(S3Listing, "seal", killed)
        list_dataset(engine, dataset_id, (), LIMITS, sources)
    assert shown == [(6, 6)]
    assert images(engine, read()) == []
    list_dataset(engine, dataset_id, (), LIMITS, sources)
    assert (read().state, len(images(engine, read()))) == (DatasetState.SEALED, 6)
    list_dataset(engine, dataset_id, (), LIMITS, sources)
    assert len(images(engine, read())) == 6


def test_a_dataset_deleted_meanwhile_gets_no_images(
    engine: Engine, sources: S3Sources, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = S3Listing.write

    def deleted(self: S3Listing, session: object, dataset_id: uuid.UUID) -> None:
        with transaction(engine) as other:
            delete_dataset(other, other.get_one(Dataset, dataset_id).tenant_id, dataset_id)
        write(self, session, dataset_id)  # type: ignore[arg-type]

    monkeypatch.setattr(S3Listing, "write", deleted)
    dataset = listed(engine, sources, f"s3://{bucket}/2026/photos")
    assert (dataset.state, images(engine, dataset)) == (DatasetState.LISTING, [])


def test_an_endpoint_that_is_away_leaves_the_dataset_to_the_sweeper(engine: Engine, buckets: Buckets) -> None:
    away = buckets.profile("photos").model_copy(update={"endpoint": "http://127.0.0.1:1"})
    dataset_id = begin(engine, S3Request("s3://photos", "default"))
    with pytest.raises(StorageUnavailable, match="it is tried again"):
        list_dataset(engine, dataset_id, (), LIMITS, S3Sources({"default": away}))
    with transaction(engine) as session:
        assert session.get_one(Dataset, dataset_id).state is DatasetState.LISTING
