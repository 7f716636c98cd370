"""Addresses of buckets: `s3://bucket/folder`, or with a pattern, `s3://bucket/2026-*/**/*.jpg`.

Patterns are those of shells: `*` and `?` match within a part of the key, `[abc]` one of the characters, and `**` any
number of whole parts. As in the tools of AWS, nothing is percent-encoded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from samfleet.errors import InvalidInput

SCHEME = "s3://"
MAX_URL_LENGTH = 2048
ANY_PARTS = "**"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_WILD = re.compile(r"[*?\[]")


class S3UrlInvalid(InvalidInput):
    """The address of the bucket is not valid; write s3://bucket/folder."""

    code = "s3_url_invalid"


@dataclass(frozen=True, slots=True)
class S3Place:
    """Keys of a bucket that start with `prefix`, or of these the ones that match `pattern`.

    Names of images are relative to `folder`, which is empty or ends in '/'. The parts of the pattern are relative to it
    too. `key` is set if the address may also be that of a single object.
    """

    url: str
    bucket: str
    folder: str
    prefix: str
    pattern: tuple[str, ...] = ()
    key: str | None = None

    def relative(self, key: str) -> str:
        """Return the name of an image with this key; of a single object, the last part of the key."""
        return key.rpartition("/")[2] if key == self.key else key.removeprefix(self.folder)

    @property
    def name(self) -> str:
        """Return a name for the dataset: the last folder, or the bucket."""
        return self.folder.rstrip("/").rpartition("/")[2] or self.bucket

    def has(self, relative: str) -> bool:
        return not self.pattern or matches(relative.split("/"), self.pattern)


def parse_s3_url(url: str) -> S3Place:
    """Raises `S3UrlInvalid`."""
    bucket, path = _split(url)
    wild = _WILD.search(path)
    if wild is None:
        folder = f"{path.rstrip('/')}/" if path.strip("/") else ""
        return S3Place(url, bucket, folder, folder, key=path if folder and not path.endswith("/") else None)
    folder = path[: path.rfind("/", 0, wild.start()) + 1]
    pattern = tuple(path[len(folder) :].split("/"))
    return S3Place(url, bucket, folder, path[: wild.start()], pattern)


def parse_s3_object(url: str) -> S3Place:
    """Return the place of a single object, whose key is `prefix`: `*`, `?` and `[` have no meaning here.

    Raises `S3UrlInvalid`.
    """
    bucket, key = _split(url)
    if not key or key.endswith("/"):
        raise S3UrlInvalid(f"{url[:200]!r} is not the address of an object; write s3://bucket/folder/name")
    return S3Place(url, bucket, key[: key.rfind("/") + 1], key, key=key)


def _split(url: str) -> tuple[str, str]:
    bucket, _, path = url.removeprefix(SCHEME).partition("/")
    if not url.startswith(SCHEME) or not _BUCKET.fullmatch(bucket):
        raise S3UrlInvalid(f"{url[:200]!r} is not the address of a bucket; write s3://bucket/folder")
    if len(url) > MAX_URL_LENGTH or _CONTROL.search(url):
        raise S3UrlInvalid(
            f"{url[:200]!r} has control characters or more than {MAX_URL_LENGTH} characters; write s3://bucket/folder"
        )
    return bucket, path


def matches(parts: list[str], pattern: tuple[str, ...]) -> bool:
    """Return True if the parts of a key match the pattern. The work grows with the product of their lengths."""
    places = _skipping({0}, pattern)  # indexes of the parts of the pattern that may match next
    for part in parts:
        reached = set()
        for place in places:
            if place < len(pattern):
                if pattern[place] == ANY_PARTS:
                    reached.add(place)
                elif fnmatchcase(part, pattern[place]):
                    reached.add(place + 1)
        places = _skipping(reached, pattern)
    return len(pattern) in places


def _skipping(places: set[int], pattern: tuple[str, ...]) -> set[int]:
    """Add the places that follow from `**` matching no part."""
    found = set(places)
    for place in places:
        following = place
        while following < len(pattern) and pattern[following] == ANY_PARTS:
            following += 1
            found.add(following)
    return found
