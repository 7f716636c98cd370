from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from fixtures.api.running_sites import SiteApi, open_site, serve_site
from samfleet.sites.key import open_key
from samfleet.sites.lines import VERSION


def code_of(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["code"])


def written(lines: list[dict[str, Any]], key_file: Path) -> bytes:
    """Return a file of these lines, signed with the key in that file."""
    key = open_key(key_file)
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    digest = hashlib.sha256(content)
    end = {"kind": "signature", "sha256": digest.hexdigest(), "signature": key.sign(digest.digest())}
    return gzip.compress(content + json.dumps(end).encode() + b"\n")


def lines_of(content: bytes) -> list[dict[str, Any]]:
    """Return all lines except the signature."""
    return [json.loads(line) for line in gzip.decompress(content).splitlines()][:-1]


@pytest.fixture
def key_file(lab: SiteApi) -> Path:
    return lab.running.key_file


def test_an_unknown_site_is_accepted_only_with_its_fingerprint(lab: SiteApi, laptop: SiteApi) -> None:
    lab.measure("H200", 2.0)
    content = lab.export()
    refused = laptop.take(content)
    assert code_of(refused, 403) == "site_not_trusted"
    assert lab.fingerprint in refused.json()["detail"]
    assert code_of(laptop.take(content, "0" * 32), 403) == "site_not_trusted"
    assert laptop.rows("latency") == []
    assert laptop.take(content, lab.fingerprint).status_code == 200
    assert laptop.take(content).status_code == 200
    assert code_of(laptop.take(content, "0" * 32), 403) == "site_not_trusted"


def test_the_name_of_a_site_is_bound_to_its_key(lab: SiteApi, laptop: SiteApi, tmp_path: Path) -> None:
    lab.measure("H200", 2.0)
    laptop.take(lab.export(), lab.fingerprint)
    with serve_site("lab", lab.running.database_url, tmp_path) as running, open_site(running) as other:
        other.measure("H200", 1.0)
        refused = laptop.take(other.export(), other.fingerprint)
        assert code_of(refused, 409) == "site_key_changed"
        assert lab.fingerprint in refused.json()["detail"]
        assert {row["n"] for row in laptop.rows("latency", stage="encode")} == {12}
        laptop.tenant.http.delete("/v1/sites/lab")
        assert laptop.take(other.export(), other.fingerprint).status_code == 200


def test_the_rows_of_a_renamed_site_move_to_its_new_name(lab: SiteApi, laptop: SiteApi, key_file: Path) -> None:
    lab.measure("H200", 2.0)
    older = lab.export()
    laptop.take(older, lab.fingerprint)
    header, *rest = lines_of(lab.export())
    assert laptop.take(written([{**header, "site": "berlin"}, *rest], key_file)).json()["site"] == "berlin"
    assert {row["site"] for row in laptop.rows("latency")} == {"berlin"}
    assert laptop.take(older).json()["site"] == "berlin"


def test_a_site_refuses_its_own_export(laptop: SiteApi) -> None:
    laptop.measure("Laptop GPU", 20.0)
    assert code_of(laptop.take(laptop.export(), laptop.fingerprint), 409) == "site_is_this_one"


def test_a_newer_file_version_is_distinguished_from_damage(lab: SiteApi, laptop: SiteApi, key_file: Path) -> None:
    header, *rest = lines_of(lab.export())
    newer = written([{**header, "version": VERSION + 1, "more": 1}, *rest], key_file)
    assert code_of(laptop.take(newer, lab.fingerprint), 422) == "site_file_too_new"


def test_a_file_signed_by_another_key_is_refused(lab: SiteApi, laptop: SiteApi, tmp_path: Path) -> None:
    lab.measure("H200", 2.0)
    forged = written(lines_of(lab.export()), tmp_path / "another.pem")
    assert code_of(laptop.take(forged, lab.fingerprint), 422) == "site_signature_invalid"


def test_a_damaged_file_stores_nothing(lab: SiteApi, laptop: SiteApi) -> None:
    lab.measure("H200", 2.0)
    whole, trust = lab.export(), lab.fingerprint
    flipped = [whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :] for at in range(20, len(whole) - 20, 97)]
    for damaged in (whole[:-1], whole[: len(whole) // 2], whole[:20], whole + b"x", whole + whole, *flipped):
        assert code_of(laptop.take(damaged, trust), 422) == "site_file_damaged"
    assert laptop.rows("latency") == []
    assert laptop.tenant.http.get("/v1/sites").json()["items"] == []


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("hardware", {"facts": {"device_name": "H200", "device_kind": "cuda", "faster": True}}),
        ("series", {"parameters": {"task": {"kind": "everything"}}}),
        ("series", {"hardware": "0" * 64}),
        ("series", {"variant": "a\u0000b"}),
        ("rollup", {"series": 123_456_789}),
        ("rollup", {"first_bucket": 2_000_000}),
        ("rollup", {"n": 1}),
        ("rollup", {"n": -1}),
        ("rollup", {"stage": "lunch"}),
        ("rollup", {"hour": "2026-11-22T12:30:00Z"}),
        ("rollup", {"surprise": 1}),
        ("figure", {"value": 1.5}),
        ("figure", {"series": 123_456_789}),
    ],
)
def test_files_of_a_trusted_site_are_still_validated(
    lab: SiteApi, laptop: SiteApi, key_file: Path, kind: str, change: dict[str, Any]
) -> None:
    lab.measure("H200", 2.0)
    lines = lines_of(lab.export())
    at = next(index for index, line in enumerate(lines) if line["kind"] == kind)
    lines[at] |= change
    answer = laptop.take(written(lines, key_file), lab.fingerprint)
    assert code_of(answer, 422) == "site_file_damaged"
    assert laptop.rows("latency") == []
    assert laptop.tenant.http.get("/v1/sites").json()["items"] == []


def test_a_duplicate_row_is_refused(lab: SiteApi, laptop: SiteApi, key_file: Path) -> None:
    lab.measure("H200", 2.0)
    lines = lines_of(lab.export())
    doubled = [line for line in lines for _ in range(2 if line["kind"] == "rollup" else 1)]
    assert code_of(laptop.take(written(doubled, key_file), lab.fingerprint), 422) == "site_file_damaged"
    assert laptop.rows("latency") == []


def test_the_uncompressed_size_of_a_file_is_limited(lab: SiteApi, laptop: SiteApi) -> None:
    bomb = gzip.compress(gzip.decompress(lab.export()) + b" " * 2**22)
    assert code_of(laptop.take(bomb, lab.fingerprint), 413) == "site_file_too_large"
    assert code_of(laptop.take(b"x" * 2**22, lab.fingerprint), 413) == "payload_too_large"


@pytest.mark.parametrize("content", [b"", b"{}\n", b"[]\n", b"\x1f\x8b", b"null\n", b"variant,p50_ms\n", b"\xff\xfe\n"])
def test_files_other_than_an_export_are_refused(laptop: SiteApi, content: bytes) -> None:
    assert code_of(laptop.take(content), 422) == "site_file_damaged"
