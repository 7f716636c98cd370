"""Images at HTTP addresses, from a real server: rules of hosts and addresses, redirects, faults, and trying again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from fixtures.servers.file_server import FileServer, Served
from fixtures.servers.receiver import Receiver, drip, reply
from samfleet.datasets.content import read_image
from samfleet.datasets.url_sources import UrlNotAllowed, UrlRules, UrlSources, url_uri
from samfleet.errors import SamfleetError
from samfleet.image_errors import ImageTooLarge
from samfleet.outbound.addresses import Address, AddressPolicy
from samfleet.outbound.errors import UrlInvalid
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import StorageUnavailable

LOCAL = AddressPolicy.of(["127.0.0.0/8"])


@dataclass
class Clock:
    """A clock that only pauses move."""

    now: float = 1000.0
    pauses: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def sources(server: FileServer | Receiver, clock: Clock | None = None, **rules: object) -> UrlSources:
    port = server.url.split(":")[2].partition("/")[0]
    clock = clock or Clock()
    given = {"hosts": (f"127.0.0.1:{port}",), "policy": LOCAL, **rules}
    return UrlSources(UrlRules(**given), clock=lambda: clock.now, pause=clock.pause)  # type: ignore[arg-type]


def read(found: UrlSources, uri: str, most: int = 1000) -> bytes:
    return read_image(MemoryStore(), uri, most, found.readers)


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(SamfleetError) as caught:
        call()
    return caught.value.code


def test_the_bytes_are_the_image_whatever_the_type(file_server: FileServer) -> None:
    file_server.files["/a%20b.jpg?size=1"] = Served(b"image", content_type="text/html", length=False)
    assert read(sources(file_server), f"{file_server.url}/a%20b.jpg?size=1") == b"image"
    ((_, headers),) = file_server.requests
    assert (headers["user-agent"], headers["accept-encoding"]) == ("samfleet", "identity")


def test_at_most_one_byte_more_than_allowed_is_read(file_server: FileServer) -> None:
    file_server.files["/a.jpg"] = Served(b"x" * 1001)
    found = sources(file_server)
    with pytest.raises(ImageTooLarge):
        read(found, f"{file_server.url}/a.jpg")
    assert len(found.read(f"{file_server.url}/a.jpg", 500)) == 501
    assert len(read(found, f"{file_server.url}/a.jpg", 1001)) == 1001


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "source_forbidden"),
        (403, "source_forbidden"),
        (404, "image_missing"),
        (410, "image_missing"),
        (204, "image_unreadable"),
        (304, "image_unreadable"),
        (400, "image_unreadable"),
        (408, "storage_unavailable"),
        (429, "storage_unavailable"),
        (500, "storage_unavailable"),
        (503, "storage_unavailable"),
    ],
)
def test_statuses(file_server: FileServer, status: int, code: str) -> None:
    file_server.files["/a.jpg"] = Served(b"", status)
    assert code_of(lambda: read(sources(file_server), f"{file_server.url}/a.jpg")) == code
    assert len(file_server.requests) == (3 if code == "storage_unavailable" else 1)


def test_an_empty_body_is_an_empty_image(file_server: FileServer) -> None:
    file_server.files["/a.jpg"] = Served(b"")
    assert code_of(lambda: read(sources(file_server), f"{file_server.url}/a.jpg")) == "image_empty"


@pytest.mark.parametrize(
    ("stated", "sent", "same"),
    [
        ('"v1"', '"v1"', True),
        ("v1", '"v1"', True),
        ('W/"v1"', '"v1"', True),
        ('"v1"', 'W/"v1"', True),
        ("a#b ü", '"a#b ü"', True),
        ("v1", '"v2"', False),
        ("v1", None, False),
    ],
)
def test_a_stated_etag_must_be_the_current_one(
    file_server: FileServer, stated: str, sent: str | None, same: bool
) -> None:
    file_server.files["/a.jpg"] = Served(b"image", etag=sent)
    uri = url_uri(f"{file_server.url}/a.jpg", stated)
    if same:
        assert read(sources(file_server), uri) == b"image"
    else:
        assert code_of(lambda: read(sources(file_server), uri)) == "source_changed"


def test_redirects_are_followed_to_allowed_addresses(file_server: FileServer) -> None:
    file_server.files["/1"] = Served(b"", 302, location="/2?x=1#part")
    file_server.files["/2?x=1"] = Served(b"", 308, location=f"{file_server.url}/3")
    file_server.files["/3"] = Served(b"image")
    assert read(sources(file_server), f"{file_server.url}/1") == b"image"


@pytest.mark.parametrize(
    "location",
    [
        "/loop",
        "http://127.0.0.1:1/x",  # another port is another host
        "https://example.com/x",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "//",
        "http://user@127.0.0.1/",
    ],
)
def test_other_redirects_fail_the_image(file_server: FileServer, location: str) -> None:
    file_server.files["/loop"] = Served(b"", 302, location=location)
    assert code_of(lambda: read(sources(file_server), f"{file_server.url}/loop")) == "redirect_forbidden"


def test_a_redirect_without_a_location_has_no_image(file_server: FileServer) -> None:
    file_server.files["/a"] = Served(b"", 302)
    assert code_of(lambda: read(sources(file_server), f"{file_server.url}/a")) == "image_unreadable"


def test_a_redirect_into_a_private_address_is_refused_by_address_and_by_name(file_server: FileServer) -> None:
    def resolver(host: str, _port: int) -> list[Address]:
        return [ip_address("127.0.0.1" if host == "public.test" else "10.0.0.7")]

    port = file_server.url.rpartition(":")[2]
    hosts = (f"public.test:{port}", f"inside.test:{port}", f"10.0.0.7:{port}")
    found = UrlSources(UrlRules(hosts, LOCAL), resolver=resolver)
    for host in ("inside.test", "10.0.0.7"):
        file_server.files["/a"] = Served(b"", 302, location=f"http://{host}:{port}/b")
        assert code_of(lambda: read(found, f"http://public.test:{port}/a")) == "redirect_forbidden"
        assert code_of(lambda host=host: read(found, f"http://{host}:{port}/b")) == "source_forbidden"  # type: ignore[misc]
    assert [path for path, _ in file_server.requests] == ["/a", "/a"]


@pytest.mark.parametrize(
    ("hosts", "url", "allowed"),
    [
        ((), "https://a.example/x.jpg", False),
        (("*",), "https://a.example/x.jpg", True),
        (("*",), "http://a.example/x.jpg", True),
        (("*",), "https://a.example:8443/x.jpg", False),
        (("*:8443",), "https://a.example:8443/x.jpg", True),
        (("a.example",), "https://A.example:443/x.jpg", True),
        (("a.example",), "https://b.a.example/x.jpg", False),
        (("*.a.example",), "https://b.a.example/x.jpg", True),
        (("*.a.example",), "https://a.example/x.jpg", False),
        (("*.a.example",), "https://evila.example/x.jpg", False),
        (("[2606:4700::1]",), "https://[2606:4700::1]/x.jpg", True),
    ],
)
def test_only_allowed_hosts_are_read(hosts: tuple[str, ...], url: str, allowed: bool) -> None:
    if allowed:
        assert UrlRules(hosts).check(url).host
    else:
        with pytest.raises(UrlNotAllowed, match="SAMFLEET_URL_SOURCES"):
            UrlRules(hosts).check(url)


@pytest.mark.parametrize("url", ["https://", "https://u:p@a.example/", "https://a.example/#x", "https://a.example:0/"])
def test_other_addresses_are_invalid(url: str) -> None:
    with pytest.raises(UrlInvalid):
        UrlRules(("*",)).check(url)


def test_an_address_that_is_not_allowed_any_more_fails_no_image(file_server: FileServer) -> None:
    found = sources(file_server, hosts=())
    assert code_of(lambda: read(found, f"{file_server.url}/a.jpg")) == "url_not_allowed"
    assert file_server.requests == []


def test_a_broken_body_is_read_again(file_server: FileServer) -> None:
    file_server.files["/a.jpg"] = Served(b"whole image", cuts=[3, 5])
    clock = Clock()
    assert read(sources(file_server, clock), f"{file_server.url}/a.jpg") == b"whole image"
    assert clock.pauses == [0.5, 2.0]


def test_a_slow_body_ends_at_the_time_limit(receiver: Receiver) -> None:
    receiver.behave(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"))
    found = sources(receiver, timeout_seconds=0.1)
    assert code_of(lambda: read(found, receiver.url)) == "storage_unavailable"


def test_a_server_that_stays_silent_fails_the_image_in_the_end(file_server: FileServer) -> None:
    clock = Clock()
    found = sources(file_server, clock, retry_seconds=300.0)
    file_server.files["/a.jpg"] = Served(b"", 503)
    file_server.files["/b.jpg"] = Served(b"", 503)
    with pytest.raises(StorageUnavailable, match="status 503"):
        read(found, f"{file_server.url}/a.jpg")
    clock.now += 200
    assert code_of(lambda: read(found, f"{file_server.url}/a.jpg")) == "storage_unavailable"
    clock.now += 100
    assert code_of(lambda: read(found, f"{file_server.url}/a.jpg")) == "source_unavailable"
    assert code_of(lambda: read(found, f"{file_server.url}/b.jpg")) == "source_unavailable"  # of the same server
    file_server.files["/b.jpg"] = Served(b"image")
    assert read(found, f"{file_server.url}/b.jpg") == b"image"
    file_server.files["/b.jpg"] = Served(b"", 503)
    assert code_of(lambda: read(found, f"{file_server.url}/b.jpg")) == "storage_unavailable"  # its time begins again


def test_a_server_that_throttles_is_asked_again_when_it_says(file_server: FileServer) -> None:
    file_server.files["/a.jpg"] = Served(b"", 429, retry_after="3")
    clock = Clock()
    found = sources(file_server, clock)
    with pytest.raises(StorageUnavailable, match="status 429") as throttled:
        read(found, f"{file_server.url}/a.jpg")
    assert (clock.pauses, throttled.value.retry_after_seconds) == ([3.0, 3.0], 3.0)

    def recover(_seconds: float) -> None:
        file_server.files["/a.jpg"] = Served(b"image")

    assert read(UrlSources(found.rules, pause=recover), f"{file_server.url}/a.jpg") == b"image"


def test_a_server_that_asks_for_a_long_wait_is_left_alone(file_server: FileServer) -> None:
    file_server.files["/a.jpg"] = Served(b"", 503, retry_after="120")
    clock = Clock()
    found = sources(file_server, clock)
    with pytest.raises(StorageUnavailable) as throttled:
        read(found, f"{file_server.url}/a.jpg")
    assert (clock.pauses, throttled.value.retry_after_seconds, len(file_server.requests)) == ([], 120.0, 1)
    clock.now += 300
    assert code_of(lambda: read(found, f"{file_server.url}/a.jpg")) == "source_unavailable"


@pytest.mark.parametrize("header", ["0", "soon", "-5", "Thu, 01 Jan 2015 00:00:00 GMT"])
def test_a_wait_that_is_over_or_unreadable_leaves_the_back_off(file_server: FileServer, header: str) -> None:
    file_server.files["/a.jpg"] = Served(b"", 429, retry_after=header)
    clock = Clock()
    assert code_of(lambda: read(sources(file_server, clock), f"{file_server.url}/a.jpg")) == "storage_unavailable"
    assert clock.pauses == [0.5, 2.0]


def test_a_refused_connection_is_tried_again(receiver: Receiver) -> None:
    receiver.behave(reply(500), reply(200, b"image"))
    assert read(sources(receiver), receiver.url) == b"image"
    clock = Clock()
    found = UrlSources(UrlRules(("127.0.0.1:1",), LOCAL), clock=lambda: clock.now, pause=clock.pause)
    assert code_of(lambda: read(found, "http://127.0.0.1:1/a.jpg")) == "storage_unavailable"
    assert clock.pauses == [0.5, 2.0]
