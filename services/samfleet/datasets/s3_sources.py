"""Buckets that datasets are made of: which ones the operator allows, their keys, and the bytes of their images.

boto3 is imported only when a bucket is read. A client connects at its first request, and threads share it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Self
from urllib.parse import quote, unquote, urlsplit

from samfleet.datasets.content import Remote
from samfleet.datasets.s3_urls import S3Place
from samfleet.errors import Forbidden, InvalidInput, SamfleetError
from samfleet.image_errors import ImageFailed, ImageMissing, SourceChanged, SourceForbidden
from samfleet.source_settings import S3Profile
from samfleet.storage.factory import S3Options, connect_s3
from samfleet.storage.store import BucketNotFound, StorageForbidden, StorageRefused, StorageUnavailable
from samfleet.storage.streams import mapped_stream

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, GetObjectRequestTypeDef

SETTING = "SAMFLEET_S3_SOURCES"
CONNECTIONS = 64  # of a client; four shards read sixteen images each
NOT_AN_OBJECT = {"NoSuchKey": ImageMissing, "NoSuchBucket": ImageMissing, "PreconditionFailed": SourceChanged}
REMEDIES: dict[type[SamfleetError], str] = {
    BucketNotFound: "correct its name, or the profile's endpoint",
    StorageForbidden: "give the profile's account s3:ListBucket and s3:GetObject, or correct its credentials",
    StorageRefused: "check the profile's endpoint and region",
    StorageUnavailable: "it is tried again",
}


class BucketNotAllowed(Forbidden):
    """The bucket is not among those that SAMFLEET_S3_SOURCES allows."""

    code = "bucket_not_allowed"


class S3ProfileUnknown(InvalidInput):
    """SAMFLEET_S3_SOURCES has no profile with this name."""

    code = "s3_profile_unknown"


@dataclass(frozen=True, slots=True)
class S3Object:
    key: str
    size: int  # bytes
    etag: str


@dataclass(frozen=True, slots=True)
class S3Image:
    """An object that was listed; only in this version is it the image of the dataset.

    `etag` is empty if the object did not exist when it was listed.
    """

    profile: str
    bucket: str
    key: str
    etag: str

    @property
    def uri(self) -> str:
        """Return the `DatasetImage.uri`: s3://profile@bucket/key#etag, percent-encoded."""
        return f"s3://{self.profile}@{self.bucket}/{quote(self.key)}#{quote(self.etag)}"

    @property
    def url(self) -> str:
        """Return the address as users write it."""
        return f"s3://{self.bucket}/{self.key}"

    @classmethod
    def of(cls, uri: str) -> Self:
        parts = urlsplit(uri)
        profile, _, bucket = parts.netloc.partition("@")
        return cls(profile, bucket, unquote(parts.path[1:]), unquote(parts.fragment))


class S3Sources:
    """The buckets of the settings, by profile."""

    def __init__(self, profiles: Mapping[str, S3Profile]) -> None:
        self._profiles = profiles
        self._clients: dict[str, S3Client] = {}
        self._connecting = threading.Lock()

    def choose(self, place: S3Place, profile: str | None = None) -> str:
        """Return the given profile, or else the first one that allows the place.

        Raises `S3ProfileUnknown`, or `BucketNotAllowed` before any error could reveal that the bucket exists.
        """
        if profile is not None:
            self._require_allowed(profile, place.bucket, place.prefix)
            return profile
        for name, known in self._profiles.items():
            if known.allows(place.bucket, place.prefix):
                return name
        places = {allowed for known in self._profiles.values() for allowed in known.buckets}
        raise _not_allowed(place.bucket, place.prefix, sorted(places))

    def allows(self, profile: str, bucket: str, prefix: str) -> bool:
        return profile in self._profiles and self._profiles[profile].allows(bucket, prefix)

    @property
    def streams(self) -> Mapping[str, Callable[[str], BinaryIO]]:
        """Return the openers of images by scheme, for `samfleet.datasets.frames.files.FrameFiles`."""
        return {"s3": self.stream}

    @property
    def readers(self) -> Remote:
        """Return the readers of images by scheme, for `samfleet.datasets.content.read_image`."""
        return {"s3": self.read}

    def objects(self, profile: str, bucket: str, prefix: str) -> Iterator[Sequence[S3Object]]:
        """Yield the objects whose keys start with the prefix in pages of 1,000, in the order of the store."""
        client = self._client(profile, bucket, prefix)
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        with _explained(profile, f"s3://{bucket}/{prefix}"):
            for page in pages:
                yield [S3Object(one["Key"], one["Size"], one["ETag"]) for one in page.get("Contents", ())]

    def find(self, profile: str, bucket: str, key: str) -> S3Object | None:
        """Return the object as it is now; None if it does not exist or the account may not read it."""
        from botocore.exceptions import ClientError

        where = f"s3://{bucket}/{key}"
        client = self._client(profile, bucket, key)
        with _explained(profile, where):
            try:
                reply = client.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if _fault_of_object(where, error) is None:
                    raise
                return None
        return S3Object(key, reply["ContentLength"], reply["ETag"])

    def open(self, profile: str, bucket: str, key: str) -> BinaryIO:
        """Open an object as a stream, which the caller closes. Raises like `read`."""
        image = S3Image(profile, bucket, key, "")
        reply = self._get(image)
        return mapped_stream(reply["Body"], partial(_explained, profile, image.url))

    def stream(self, uri: str) -> BinaryIO:
        """Open an image in the version that was listed, which the caller closes. Raises like `read`."""
        image = S3Image.of(uri)
        reply = self._get(image)
        if image.etag and reply["ETag"] != image.etag:  # a store that ignores If-Match
            reply["Body"].close()
            raise SourceChanged(_changed(image.url))
        return mapped_stream(reply["Body"], partial(_explained, image.profile, image.url))

    def read(self, uri: str, max_bytes: int) -> bytes:
        """Return the image in the version that was listed; at most `max_bytes` + 1 bytes are read.

        An address without an ETag is of an object that did not exist then: any version is the image.

        Raises a subclass of `ImageFailed` if the object is at fault, and `StorageUnavailable` if the store does not
        answer or sends less than it announced.
        """
        image = S3Image.of(uri)
        reply = self._get(image)
        with _explained(image.profile, image.url), closing(reply["Body"]) as body:
            if image.etag and reply["ETag"] != image.etag:  # a store that ignores If-Match
                raise SourceChanged(_changed(image.url))
            data = body.read(max_bytes + 1)
        if len(data) < min(reply["ContentLength"], max_bytes + 1):
            raise StorageUnavailable(f"{image.url}: the connection ended after {len(data)} bytes")
        return data

    def _get(self, image: S3Image) -> GetObjectOutputTypeDef:
        from botocore.exceptions import ClientError

        asked: GetObjectRequestTypeDef = {"Bucket": image.bucket, "Key": image.key}
        if image.etag:
            asked["IfMatch"] = image.etag
        client = self._client(image.profile, image.bucket, image.key)
        with _explained(image.profile, image.url):
            try:
                return client.get_object(**asked)
            except ClientError as error:
                fault = _fault_of_object(image.url, error)
                if fault is None:
                    raise
                raise fault from error

    def _client(self, profile: str, bucket: str, prefix: str) -> S3Client:
        known = self._require_allowed(profile, bucket, prefix)
        with self._connecting:
            if profile not in self._clients:
                with _explained(profile, f"s3://{bucket}/{prefix}"):
                    self._clients[profile] = connect_s3(_options(known))
            return self._clients[profile]

    def _require_allowed(self, profile: str, bucket: str, prefix: str) -> S3Profile:
        known = self._profiles.get(profile)
        if known is None:
            names = ", ".join(self._profiles) or "none"
            raise S3ProfileUnknown(f"there is no profile {profile!r} of buckets ({SETTING} has {names})")
        if not known.allows(bucket, prefix):
            raise _not_allowed(bucket, prefix, known.buckets)
        return known


def _not_allowed(bucket: str, prefix: str, places: Sequence[str]) -> BucketNotAllowed:
    allowed = ", ".join(places) or "none: this server reads no buckets"
    return BucketNotAllowed(f"s3://{bucket}/{prefix} is not under an allowed bucket ({SETTING}: {allowed})")


def _options(profile: S3Profile) -> S3Options:
    return S3Options(
        profile.endpoint,
        profile.region,
        profile=profile.aws_profile,
        addressing=profile.addressing,
        anonymous=profile.anonymous,
        connections=CONNECTIONS,
    )


def _fault_of_object(where: str, error: ClientError) -> ImageFailed | None:
    """Return the error of this image; None if others would have the same, such as wrong credentials."""
    from samfleet.storage.s3_errors import CODES

    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind = NOT_AN_OBJECT.get(code) or {404: ImageMissing, 412: SourceChanged}.get(status)
    if kind is SourceChanged:
        return SourceChanged(_changed(where))
    if kind is ImageMissing:
        return ImageMissing(f"{where} does not exist; it was moved or deleted after the dataset was made")
    if code == "AccessDenied" or (status == 403 and code not in CODES):  # noqa: PLR2004 - HTTP's Forbidden
        return SourceForbidden(f"{where}: {error}; give the profile's account s3:GetObject")
    return None


def _changed(where: str) -> str:
    return f"{where} was changed after the dataset was made; make a new dataset"


@contextmanager
def _explained(profile: str, where: str) -> Iterator[None]:
    """Map boto3's errors to those of stores, with what to do about them."""
    from samfleet.storage.s3_errors import mapped

    try:
        with mapped(where):
            yield
    except tuple(REMEDIES) as error:
        remedy = next(text for kind, text in REMEDIES.items() if isinstance(error, kind))
        raise type(error)(f"{error.message}; {remedy} (profile {profile!r} of {SETTING})") from error.__cause__
