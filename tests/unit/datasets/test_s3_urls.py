"""Addresses of buckets, and patterns of keys."""

from __future__ import annotations

import time

import pytest

from samfleet.datasets.s3_urls import S3UrlInvalid, matches, parse_s3_url


@pytest.mark.parametrize(
    ("url", "folder", "prefix", "pattern", "key", "name"),
    [
        ("s3://photos", "", "", (), None, "photos"),
        ("s3://photos/", "", "", (), None, "photos"),
        ("s3://photos/a/b", "a/b/", "a/b/", (), "a/b", "b"),
        ("s3://photos/a/b/", "a/b/", "a/b/", (), None, "b"),
        ("s3://photos/a%20b c/ü", "a%20b c/ü/", "a%20b c/ü/", (), "a%20b c/ü", "ü"),
        ("s3://photos/a?b#c", "", "a", ("a?b#c",), None, "photos"),
        ("s3://photos/*", "", "", ("*",), None, "photos"),
        ("s3://photos/a/cam*/**/x.jpg", "a/", "a/cam", ("cam*", "**", "x.jpg"), None, "a"),
        ("s3://photos/a/[0-9]*", "a/", "a/", ("[0-9]*",), None, "a"),
    ],
)
def test_addresses(url: str, folder: str, prefix: str, pattern: tuple[str, ...], key: str | None, name: str) -> None:
    place = parse_s3_url(url)
    assert (place.bucket, place.folder, place.prefix) == ("photos", folder, prefix)
    assert (place.pattern, place.key, place.name) == (pattern, key, name)


@pytest.mark.parametrize(
    "url",
    [
        *("", "photos/a", "s3:/photos", "s3://", "s3:///a", "s3://x/a", "S3://photos", "https://photos/a"),
        *("s3://a b/c", "s3://user@photos/a", "s3://photos/a\n", "s3://photos/\udc80", f"s3://photos/{'a' * 2048}"),
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(S3UrlInvalid, match=r"write s3://bucket/folder"):
        parse_s3_url(url)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*", ["a.jpg", "ü"], ["a/b.jpg"]),
        ("*.jpg", ["a.jpg", ".jpg"], ["a.jpeg", "A.JPG", "b/a.jpg"]),
        ("cam?/*", ["cam1/a"], ["cam/a", "cam12/a", "cam1", "cam1/a/b"]),
        ("[ab]/**", ["a", "a/x", "b/x/y"], ["c/x", "ab/x"]),
        ("[!a]", ["b"], ["a"]),
        ("**", ["a", "a/b/c"], []),
        ("**/x.jpg", ["x.jpg", "a/x.jpg", "a/b/x.jpg"], ["ax.jpg", "a/x.jpg/b"]),
        ("a/**/b/**/c", ["a/b/c", "a/1/b/c", "a/b/1/2/c", "a/b/b/c"], ["a/c", "a/b", "b/c"]),
    ],
)
def test_patterns(pattern: str, yes: list[str], no: list[str]) -> None:
    parts = tuple(pattern.split("/"))
    assert [key for key in yes + no if matches(key.split("/"), parts)] == yes


def test_a_hostile_pattern_takes_no_time() -> None:
    begun = time.process_time()
    assert not matches(["a"] * 500, ("**", "a") * 200 + ("b",))
    assert not matches(["a" * 1000], ("*a" * 200 + "b",))
    assert time.process_time() - begun < 5
