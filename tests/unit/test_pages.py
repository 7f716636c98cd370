from __future__ import annotations

import base64
import hashlib

from samfleet.pages import data_url, policy_of


def test_the_policy_allows_the_style_sheet_and_images_in_data_urls_alone() -> None:
    digest = base64.b64encode(hashlib.sha256(b"p { color: red; }").digest()).decode()
    policy = dict(part.split(" ", 1) for part in policy_of("p { color: red; }").split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["style-src"] == f"'sha256-{digest}'"
    assert policy["img-src"] == "data:"


def test_a_data_url_has_the_content() -> None:
    head, _, body = data_url(b"\x00\xff", "image/jpeg").partition(",")
    assert (head, base64.b64decode(body)) == ("data:image/jpeg;base64", b"\x00\xff")
