"""Look-up of an archive's URL: the simple repository API of Python indexes (PEP 503, 691), packuments of npm."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

import httpx

from samfleet.variants.weights.download import SourceFailed

JSON = "application/vnd.pypi.simple.v1+json"
ACCEPT = f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


def sdist_urls(client: httpx.Client, page: str, package: str, version: str) -> Iterator[str]:
    """Yield the URLs of this version's source archives on a page of links: a project's page, or one of find-links.

    `page` is an http(s) or file URL or a local path; a folder without index.html is listed as it is.
    """
    for url in _links(client, page):
        stem, gzipped, _ = unquote(url.rpartition("/")[2]).partition(".tar.gz")
        name, _, found = stem.rpartition("-")
        if gzipped and found == version and _normalised(name) == _normalised(package):
            yield url


def project_page(index_url: str, package: str) -> str:
    return f"{index_url}/{_normalised(package)}/"


def npm_tarball_url(client: httpx.Client, registry: str, package: str, version: str) -> str:
    reply = client.get(f"{registry}/{quote(package, safe='@')}", headers={"Accept": "application/json"})
    if reply.is_error:
        raise SourceFailed(f"{registry} replied {reply.status_code} {reply.reason_phrase} for {package}")
    try:
        return str(reply.json()["versions"][version]["dist"]["tarball"])
    except (ValueError, KeyError, TypeError):
        raise SourceFailed(f"{registry} does not have {package} {version}") from None


def local_path(url: str) -> Path | None:
    """Return the path of a file URL or a plain path; None for a URL on the network."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return Path(url).expanduser() if not parts.scheme else None


def _links(client: httpx.Client, page: str) -> Iterator[str]:
    if (path := local_path(page)) is None:
        yield from _remote_links(client, page)
    elif (path / "index.html").is_file():
        path = path.resolve() / "index.html"
        yield from _html_links(path.read_text(), path.as_uri())
    elif path.is_dir():
        yield from (entry.as_uri() for entry in sorted(path.resolve().iterdir()))
    elif path.is_file():
        yield from _html_links(path.read_text(), path.resolve().as_uri())


def _remote_links(client: httpx.Client, page: str) -> Iterator[str]:
    reply = client.get(page, headers={"Accept": ACCEPT})
    if reply.status_code == httpx.codes.NOT_FOUND:
        return  # this index does not have the project
    if reply.is_error:
        raise SourceFailed(f"{page} replied {reply.status_code} {reply.reason_phrase}")
    if reply.headers.get("Content-Type", "").startswith(JSON):
        try:
            addresses = [file["url"] for file in reply.json()["files"]]
        except (ValueError, KeyError, TypeError):
            raise SourceFailed(f"{page} does not follow the simple repository API") from None
        yield from (urldefrag(urljoin(str(reply.url), address)).url for address in addresses)
    else:
        yield from _html_links(reply.text, str(reply.url))


def _html_links(text: str, base: str) -> Iterator[str]:
    anchors = _Anchors()
    anchors.feed(text)
    for href in anchors.hrefs:
        yield urldefrag(urljoin(urljoin(base, anchors.base), href)).url


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if tag == "base" and href:
            self.base = href
        elif tag == "a" and href:
            self.hrefs.append(href)


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
