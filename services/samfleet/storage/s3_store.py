"""Object store in a bucket of S3 or of a compatible store, below an optional folder."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from boto3.s3.transfer import TransferConfig

from samfleet.storage.keys import check_folder, check_key, check_prefix
from samfleet.storage.s3_errors import mapped
from samfleet.storage.store import ObjectInfo, ObjectNotFound, StorageRefused
from samfleet.storage.streams import mapped_stream

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef, ObjectIdentifierTypeDef
    from typing_extensions import Buffer

# With threads, another thread would read the caller's generator; a worker is already parallel over shards.
TRANSFER = TransferConfig(use_threads=False)


class S3Store:
    def __init__(self, client: S3Client, bucket: str, folder: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._base = f"{check_key(folder.strip('/'))}/" if folder.strip("/") else ""

    def put(self, key: str, data: bytes) -> None:
        with self._mapped(key):
            self._client.put_object(Bucket=self._bucket, Key=self._key(key), Body=data)

    def put_file(self, key: str, path: Path) -> None:
        with path.open("rb") as file:
            self._upload(key, file)

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> int:
        source = _ChunkStream(chunks)
        self._upload(key, io.BufferedReader(source, TRANSFER.io_chunksize))
        return source.size

    def get(self, key: str) -> bytes:
        with self._mapped(key):
            return self._client.get_object(Bucket=self._bucket, Key=self._key(key))["Body"].read()

    def open(self, key: str, *, start: int = 0) -> BinaryIO:
        ranged: GetObjectRequestTypeDef = {"Bucket": self._bucket, "Key": self._key(key)}
        if start:
            ranged["Range"] = f"bytes={start}-"
        with self._mapped(key):
            body = self._client.get_object(**ranged)["Body"]
        return mapped_stream(body, partial(self._mapped, key))

    def size(self, key: str) -> int:
        with self._mapped(key):
            return self._client.head_object(Bucket=self._bucket, Key=self._key(key))["ContentLength"]

    def exists(self, key: str) -> bool:
        try:
            self.size(key)
        except ObjectNotFound:
            return False
        return True

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._base + check_prefix(prefix), StartAfter=self._base + after
        )
        with self._mapped(prefix):
            for page in pages:
                for found in page.get("Contents", ()):
                    if not found["Key"].endswith("/"):  # the folder markers that consoles create
                        key = found["Key"].removeprefix(self._base)
                        yield ObjectInfo(key, found["Size"], found["LastModified"])

    def delete(self, key: str) -> None:
        with self._mapped(key):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(key))

    def delete_prefix(self, prefix: str) -> None:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._base + check_folder(prefix)
        )
        with self._mapped(prefix):
            for page in pages:
                keys: list[ObjectIdentifierTypeDef] = [{"Key": found["Key"]} for found in page.get("Contents", ())]
                if keys:
                    reply = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True})
                    if failed := reply.get("Errors"):
                        raise StorageRefused(
                            f"s3://{self._bucket}/{self._base}{prefix}: {len(failed)} objects were not deleted; "
                            f"the first: {failed[0].get('Key')}: {failed[0].get('Message')}"
                        )

    def presigned_url(self, key: str, expires: timedelta) -> str | None:
        with self._mapped(key):
            return self._client.generate_presigned_url(
                "get_object",
                Params={"Bucket": self._bucket, "Key": self._key(key)},
                ExpiresIn=int(expires.total_seconds()),
            )

    def discard_unfinished(self, older_than: timedelta) -> int:
        removed = 0
        limit = datetime.now(UTC) - older_than
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=self._base)
        with self._mapped(""):
            for page in pages:
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"] <= limit and not self._grows(upload["Key"], upload["UploadId"], limit):
                        self._client.abort_multipart_upload(
                            Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )
                        removed += 1
        return removed

    def _grows(self, full_key: str, upload_id: str, limit: datetime) -> bool:
        """Return True if a part was written after `limit`, or if the upload has just ended: it is not abandoned."""
        pages = self._client.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=full_key, UploadId=upload_id)
        try:
            return any(part["LastModified"] > limit for page in pages for part in page.get("Parts", ()))
        except self._client.exceptions.NoSuchUpload:
            return True

    def _upload(self, key: str, source: BinaryIO) -> None:
        """Upload in one request up to 8 MiB, in several parts above; a failed upload is aborted and leaves nothing."""
        full_key = self._key(key)
        with self._mapped(key):
            self._client.upload_fileobj(source, self._bucket, full_key, Config=TRANSFER)

    def _key(self, key: str) -> str:
        return self._base + check_key(key)

    def _mapped(self, key: str) -> AbstractContextManager[None]:
        return mapped(f"s3://{self._bucket}/{self._base}{key}")


class _ChunkStream(io.RawIOBase):
    """Chunks of any size as one stream for the transfer manager; it counts the bytes."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        room = memoryview(buffer).cast("B")
        count = min(len(room), len(self._rest))
        room[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self.size += count
        return count
