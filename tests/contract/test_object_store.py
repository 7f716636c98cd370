"""Equal behaviour of every object store: memory, files, and S3 over real HTTP."""

from __future__ import annotations

import os
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from samfleet.storage.factory import S3Options, connect_s3, open_store
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.s3_store import S3Store
from samfleet.storage.store import BucketNotFound, ObjectNotFound, ObjectStore, StorageKeyInvalid

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="session")
def s3_client(s3_endpoint: str) -> S3Client:
    return connect_s3(S3Options(s3_endpoint, "us-east-1", "test", "test"))


@pytest.fixture
def bucket(s3_client: S3Client) -> str:
    name = f"bucket-{uuid.uuid4().hex}"
    s3_client.create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["memory", "file", "s3", "s3-folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "file":
        return open_store((tmp_path / "objects with space").as_uri())
    folder = "/below/here" if request.param == "s3-folder" else ""
    return S3Store(request.getfixturevalue("s3_client"), request.getfixturevalue("bucket"), folder)


def keys(store: ObjectStore, prefix: str = "", **options: str) -> list[str]:
    return [found.key for found in store.list(prefix, **options)]


def test_a_list_continues_after_a_key(store: ObjectStore) -> None:
    written = ["a", "b-c/1", "b/1", "b/2/x", "b/2/y", "b/3", "c"]
    for key in written:
        store.put(key, b"x")
    for number, key in enumerate(written):
        assert keys(store, after=key) == written[number + 1 :]
    assert keys(store, "b/", after="b/2/x") == ["b/2/y", "b/3"]
    assert keys(store, "b/", after="b/2/") == ["b/2/x", "b/2/y", "b/3"]
    assert keys(store, after="b/2/xx") == ["b/2/y", "b/3", "c"]


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 5000], ids=["empty", "one byte", "1.2 MB"])
def test_objects_round_trip(store: ObjectStore, data: bytes) -> None:
    store.put("a/b c/ü.bin", data)
    assert store.get("a/b c/ü.bin") == data
    assert store.size("a/b c/ü.bin") == len(data)
    assert store.exists("a/b c/ü.bin")
    with store.open("a/b c/ü.bin", start=len(data) // 2) as file:
        assert file.read() == data[len(data) // 2 :]
    with store.open("a/b c/ü.bin") as file:
        assert file.read(3) + file.read() == data


def test_put_replaces_an_object(store: ObjectStore) -> None:
    store.put("a", b"the first, longer")
    store.put("a", b"second")
    assert store.get("a") == b"second"
    assert keys(store) == ["a"]


def test_put_file_stores_a_file(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"content")
    store.put_file("copied", tmp_path / "source")
    assert store.get("copied") == b"content"


def test_put_stream_counts_its_bytes(store: ObjectStore) -> None:
    chunks = [b"", b"ab", os.urandom(3_000_000), b"", b"c"]
    assert store.put_stream("s", iter(chunks)) == 3_000_003
    assert store.get("s") == b"".join(chunks)


def test_a_stream_above_the_multipart_threshold_is_stored(store: ObjectStore) -> None:
    block = os.urandom(1_000_003)
    assert store.put_stream("big", (block for _ in range(10))) == 10_000_030
    assert store.get("big") == block * 10


@pytest.mark.parametrize("sent", [1, 10], ids=["before a byte is sent", "in a multipart upload"])
def test_a_failed_stream_keeps_the_old_object(store: ObjectStore, sent: int) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(sent):
            yield b"x" * 1_000_000
        raise RuntimeError("the source broke")

    store.put("kept", b"old")
    for key in ("kept", "new"):
        with pytest.raises(RuntimeError, match="the source broke"):
            store.put_stream(key, chunks())
    assert store.get("kept") == b"old"
    assert keys(store) == ["kept"]
    assert store.discard_unfinished(timedelta(0)) == 0


def test_a_missing_object_is_an_error(store: ObjectStore) -> None:
    store.put("folder/file", b"")
    for key in ("missing", "missing/too", "folder"):
        assert not store.exists(key)
        for read in (store.get, store.size, store.open):
            with pytest.raises(ObjectNotFound, match=r"missing|folder"):
                read(key)


def test_list_is_in_key_order_by_prefix(store: ObjectStore) -> None:
    written = ["a.txt", "a/b/c", "a/b.txt", "a/b0", "ab/x", "b", "ä/y", "a-b/z"]
    for index, key in enumerate(written):
        store.put(key, b"x" * index)
    assert keys(store) == sorted(written, key=str.encode)
    assert keys(store, "a/") == ["a/b.txt", "a/b/c", "a/b0"]
    assert keys(store, "a/b") == ["a/b.txt", "a/b/c", "a/b0"]
    assert keys(store, "a/b/") == ["a/b/c"]
    assert keys(store, "nothing/here") == []
    assert {found.key: found.size for found in store.list("")} == {key: index for index, key in enumerate(written)}


def test_list_has_the_times_of_writing(store: ObjectStore) -> None:
    store.put("a", b"")
    (found,) = store.list("")
    assert abs(found.modified - datetime.now(UTC)) < timedelta(minutes=1)


def test_delete_is_idempotent(store: ObjectStore) -> None:
    store.put("a/b", b"")
    for key in ("a/b", "a/b", "never/was", "a"):
        store.delete(key)
    assert keys(store) == []


def test_delete_prefix_deletes_only_in_its_folder(store: ObjectStore) -> None:
    for key in ("jobs/1/a", "jobs/1/b/c", "jobs/10/a", "jobs/1.txt"):
        store.put(key, b"")
    store.delete_prefix("jobs/1/")
    store.delete_prefix("jobs/2/")
    assert keys(store) == ["jobs/1.txt", "jobs/10/a"]
    store.put("jobs/1", b"the folder is gone, so its name is free")


@pytest.mark.parametrize(
    "key",
    [
        "", "/a", "a/", "a//b", "..", "a/../b", "./a", "a/.", "a\\b", "a\0b", "a\nb", "é" * 513, "a" * 256,
        "\udcff", ".samfleet-tmp/x",
    ],
)  # fmt: skip
def test_invalid_keys_are_refused(store: ObjectStore, key: str, tmp_path: Path) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.put(key, b""),
        lambda: store.put_stream(key, [b""]),
        lambda: store.get(key),
        lambda: store.open(key),
        lambda: store.size(key),
        lambda: store.exists(key),
        lambda: store.delete(key),
        lambda: store.presigned_url(key, timedelta(minutes=1)),
    ]
    for call in calls:
        with pytest.raises(StorageKeyInvalid, match="key"):
            call()


@pytest.mark.parametrize("prefix", ["", "a", "/", "../", "a/../"])
def test_only_a_folder_below_the_root_can_be_deleted(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(StorageKeyInvalid):
        store.delete_prefix(prefix)


def test_invalid_prefixes_are_refused(store: ObjectStore) -> None:
    for prefix in ("/", "..", "../", "a//", "a\\"):
        with pytest.raises(StorageKeyInvalid):
            keys(store, prefix)


def test_a_presigned_url_serves_the_object(store: ObjectStore) -> None:
    store.put("a/b c", b"for everyone")
    if url := store.presigned_url("a/b c", timedelta(minutes=5)):
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"for everyone"
    else:
        assert type(store).__name__ != "S3Store"


def test_a_missing_bucket_is_an_error(s3_client: S3Client) -> None:
    store = S3Store(s3_client, "nobody-made-this")
    calls: list[Callable[[], object]] = [
        lambda: store.put("a", b""),
        lambda: store.put_stream("a", [b""]),
        lambda: store.get("a"),
        lambda: keys(store),
        lambda: store.delete_prefix("a/"),
    ]
    for call in calls:
        with pytest.raises(BucketNotFound):
            call()


def test_a_store_is_opened_from_its_url(s3_endpoint: str, s3_client: S3Client, bucket: str) -> None:
    store = open_store(
        f"s3://{bucket}/a folder/",
        s3_endpoint_url=s3_endpoint,
        s3_region="us-east-1",
        s3_access_key_id="test",
        s3_secret_access_key="test",
    )
    store.put("key", b"content")
    assert s3_client.get_object(Bucket=bucket, Key="a folder/key")["Body"].read() == b"content"


@pytest.mark.usefixtures("dead_proxy")
def test_a_store_on_this_machine_is_reached_without_a_proxy(s3_endpoint: str, bucket: str) -> None:
    client = connect_s3(S3Options(s3_endpoint, "us-east-1", "test", "test"))
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_folder_markers_are_ignored_and_abandoned_uploads_discarded_on_s3(s3_client: S3Client, bucket: str) -> None:
    store = S3Store(s3_client, bucket, "mine")
    for key in ("mine/", "mine/folder/", "mine/a"):
        s3_client.put_object(Bucket=bucket, Key=key, Body=b"")
    for key in ("mine/half", "other/half"):
        s3_client.create_multipart_upload(Bucket=bucket, Key=key)
    assert keys(store) == ["a"]
    assert store.discard_unfinished(timedelta(hours=1)) == 1  # moto dates every upload 2010
    assert store.discard_unfinished(timedelta(hours=1)) == 0
    assert [upload["Key"] for upload in s3_client.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["other/half"]


def test_a_long_upload_that_still_grows_is_not_discarded_on_s3(s3_client: S3Client, bucket: str) -> None:
    store = S3Store(s3_client, bucket)
    upload = s3_client.create_multipart_upload(Bucket=bucket, Key="long")["UploadId"]
    s3_client.upload_part(Bucket=bucket, Key="long", UploadId=upload, PartNumber=1, Body=b"x")
    assert store.discard_unfinished(timedelta(hours=1)) == 0  # moto dates every upload 2010, but not its parts
    assert store.discard_unfinished(timedelta(hours=-1)) == 1


def test_a_list_may_have_more_objects_than_one_page(
    s3_client: S3Client, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    assert s3_client.list_objects_v2(Bucket=bucket)["MaxKeys"] == 2
    store = S3Store(s3_client, bucket)
    for index in range(5):
        store.put(f"many/{index}", b"")
    assert len(keys(store)) == 5
    store.delete_prefix("many/")
    assert keys(store) == []
