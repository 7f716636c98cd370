"""Bytes of images in buckets, from an S3 server over HTTP and from one that misbehaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from fixtures.servers.s3_server import Buckets
from samfleet.datasets.content import read_image
from samfleet.datasets.s3_sources import BucketNotAllowed, S3Image, S3ProfileUnknown, S3Sources
from samfleet.datasets.s3_urls import parse_s3_url
from samfleet.errors import SamfleetError
from samfleet.image_errors import ImageEmpty, ImageMissing, ImageTooLarge, SourceChanged, SourceForbidden
from samfleet.source_settings import S3Profile
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import StorageForbidden, StorageUnavailable

KEY = "a b/ü+%20#?.jpg"
ETAG = '"abc"'


@pytest.fixture
def bucket(buckets: Buckets) -> str:
    return buckets.make({KEY: b"image", "empty.jpg": b""})


@pytest.fixture
def sources(buckets: Buckets, bucket: str) -> S3Sources:
    return S3Sources({"main": buckets.profile(bucket)})


def listed(buckets: Buckets, bucket: str, key: str = KEY) -> S3Image:
    return S3Image("main", bucket, key, buckets.client.head_object(Bucket=bucket, Key=key)["ETag"])


def read(sources: S3Sources, image: S3Image, max_bytes: int = 100) -> bytes:
    return read_image(MemoryStore(), image.uri, max_bytes, sources.readers)


def test_an_address_keeps_everything(buckets: Buckets, bucket: str, sources: S3Sources) -> None:
    image = listed(buckets, bucket)
    assert S3Image.of(image.uri) == image
    assert read(sources, image) == b"image"
    assert read(sources, image, 5) == b"image"
    with pytest.raises(ImageTooLarge, match="larger than 4 bytes"):
        read(sources, image, 4)
    with pytest.raises(ImageEmpty):
        read(sources, listed(buckets, bucket, "empty.jpg"))


def test_a_changed_object_is_not_read_even_with_the_same_size(
    buckets: Buckets, bucket: str, sources: S3Sources
) -> None:
    image = listed(buckets, bucket)
    buckets.client.put_object(Bucket=bucket, Key=KEY, Body=b"imagE", ACL="public-read")
    with pytest.raises(SourceChanged, match="was changed after the dataset was made"):
        read(sources, image)
    buckets.client.put_object(Bucket=bucket, Key=KEY, Body=b"image", ACL="public-read")
    assert read(sources, image) == b"image"  # the same bytes have the same ETag


def test_missing_and_forbidden_objects_fail_their_image(buckets: Buckets, bucket: str, sources: S3Sources) -> None:
    image = listed(buckets, bucket)
    with pytest.raises(ImageMissing, match=r"gone\.jpg does not exist"):
        read(sources, replace(image, key="gone.jpg"))
    buckets.client.put_object(Bucket=bucket, Key=KEY, Body=b"image")  # no longer public
    with pytest.raises(SourceForbidden, match="s3:GetObject"):
        read(sources, image)


def test_only_allowed_places_are_read(buckets: Buckets, bucket: str) -> None:
    image = listed(buckets, bucket)
    assert read(S3Sources({"main": buckets.profile(f"{bucket}/a b")}), image) == b"image"
    for places in ((f"{bucket}/a",), (f"{bucket}/a b/ü",), ("another",)):
        with pytest.raises(BucketNotAllowed, match="SAMFLEET_S3_SOURCES"):
            read(S3Sources({"main": buckets.profile(*places)}), image)
    with pytest.raises(S3ProfileUnknown, match="has other"):
        read(S3Sources({"other": buckets.profile(bucket)}), image)


def test_a_request_gets_the_first_profile_that_allows_its_address() -> None:
    sources = S3Sources(
        {"one": S3Profile(buckets=("lake/cameras", "x-ray")), "two": S3Profile(buckets=("lake", "photos"))}
    )
    for url, profile in (
        ("s3://lake/cameras", "one"),
        ("s3://lake/cameras/7/*.jpg", "one"),
        ("s3://lake/cameras-old", "two"),
        ("s3://lake/cam*", "two"),
        ("s3://lake", "two"),
        ("s3://x-ray", "one"),
    ):
        assert sources.choose(parse_s3_url(url)) == profile
    assert sources.choose(parse_s3_url("s3://lake/cameras"), "two") == "two"
    with pytest.raises(BucketNotAllowed, match=r"\(SAMFLEET_S3_SOURCES: lake/cameras, x-ray\)"):
        sources.choose(parse_s3_url("s3://lake"), "one")
    with pytest.raises(BucketNotAllowed, match="lake, lake/cameras, photos, x-ray"):
        sources.choose(parse_s3_url("s3://secrets"))
    with pytest.raises(S3ProfileUnknown, match="there is no profile 'three'"):
        sources.choose(parse_s3_url("s3://lake"), "three")
    with pytest.raises(BucketNotAllowed, match="none: this server reads no buckets"):
        S3Sources({}).choose(parse_s3_url("s3://lake"))


@dataclass
class Misbehaving:
    """An endpoint with one reply to every request."""

    port: int
    status: int = 200
    body: bytes = b"image"
    etag: str = ETAG
    length: int | None = None
    requests: int = 0

    def profile(self) -> S3Profile:
        return S3Profile(buckets=("photos",), endpoint=f"http://127.0.0.1:{self.port}", anonymous=True)

    def fail(self, status: int, code: str) -> None:
        self.status, self.body = status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Misbehaving]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests += 1
            self.send_response(state.status)
            self.send_header("ETag", state.etag)
            self.send_header("Content-Length", str(len(state.body) if state.length is None else state.length))
            self.end_headers()
            self.wfile.write(state.body)

        def do_HEAD(self) -> None:
            state.requests += 1
            self.send_response(state.status)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))  # between its attempts
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Misbehaving(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (503, "SlowDown", StorageUnavailable),
        (500, "InternalError", StorageUnavailable),
        (429, "TooManyRequests", StorageUnavailable),
        (403, "AccessDenied", SourceForbidden),
        (403, "InvalidObjectState", SourceForbidden),
        (403, "ExpiredToken", StorageForbidden),
        (403, "InvalidAccessKeyId", StorageForbidden),
        (403, "SignatureDoesNotMatch", StorageForbidden),
        (404, "NoSuchKey", ImageMissing),
        (404, "NoSuchBucket", ImageMissing),
        (412, "PreconditionFailed", SourceChanged),
    ],
)
def test_replies_of_the_endpoint(endpoint: Misbehaving, status: int, code: str, error: type[SamfleetError]) -> None:
    endpoint.fail(status, code)
    with pytest.raises(error) as raised:
        read(S3Sources({"main": endpoint.profile()}), S3Image("main", "photos", KEY, ETAG))
    assert type(raised.value) is error
    assert f"s3://photos/{KEY}" in raised.value.message
    assert raised.value.retryable is (error is StorageUnavailable)
    assert (endpoint.requests > 1) is raised.value.retryable  # boto3 repeats what may succeed later


def test_a_store_that_ignores_conditions_still_detects_a_change(endpoint: Misbehaving) -> None:
    sources = S3Sources({"main": endpoint.profile()})
    image = S3Image("main", "photos", KEY, ETAG)
    assert read(sources, image) == b"image"
    endpoint.etag = '"new"'
    with pytest.raises(SourceChanged):
        read(sources, image)


def test_a_reply_that_breaks_off_is_tried_again(endpoint: Misbehaving) -> None:
    endpoint.length = 6
    with pytest.raises(StorageUnavailable):
        read(S3Sources({"main": endpoint.profile()}), S3Image("main", "photos", KEY, ETAG))


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (429, "TooManyRequests"), (400, "Throttling")])
def test_a_store_that_throttles_a_listing_is_asked_again(endpoint: Misbehaving, status: int, code: str) -> None:
    endpoint.fail(status, code)
    sources = S3Sources({"main": endpoint.profile()})
    with pytest.raises(StorageUnavailable, match=r"s3://photos/2026/.*it is tried again"):
        list(sources.objects("main", "photos", "2026/"))
    assert endpoint.requests == 4  # three repetitions


def test_a_store_that_throttles_is_not_taken_for_a_missing_object(endpoint: Misbehaving) -> None:
    endpoint.fail(503, "SlowDown")  # the reply to HEAD has only the status
    with pytest.raises(StorageUnavailable, match="it is tried again"):
        S3Sources({"main": endpoint.profile()}).find("main", "photos", KEY)
    assert endpoint.requests == 4  # three repetitions
