"""Images at HTTP(S) addresses: which hosts the operator allows, and the bytes, read when a shard needs them.

Requests follow the rules of webhooks: the name is resolved once and only public addresses are reached. A redirect
follows the same rules as the address itself.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote, unquote, urldefrag, urlsplit

import httpx

from samfleet.datasets.content import Remote
from samfleet.errors import Forbidden, SamfleetError, Unavailable
from samfleet.image_errors import (
    ImageFailed,
    ImageMissing,
    ImageUnreadable,
    RedirectForbidden,
    SourceChanged,
    SourceForbidden,
    SourceUnavailable,
)
from samfleet.outbound.addresses import AddressForbidden, AddressPolicy
from samfleet.outbound.connect import Resolver, resolve
from samfleet.outbound.errors import UrlInvalid
from samfleet.outbound.request import DEFAULT_PORTS, Reply, check_url, send
from samfleet.outbound.retry_after import wait_seconds
from samfleet.source_settings import SourceSettings
from samfleet.storage.store import StorageUnavailable

SETTING = "SAMFLEET_URL_SOURCES"
SCHEMES = ("https://", "http://")
MOST_REDIRECTS = 5
TRIES = 3  # in a row, before the shard is released
FIRST_PAUSE_SECONDS = 0.5  # then four times as long
MOST_PAUSE_SECONDS = 5.0  # that a server may ask for here; for longer the shard is released
MOST_REMEMBERED = 10_000  # addresses that did not answer
HEADERS = {"User-Agent": "samfleet", "Accept": "image/*, */*;q=0.1", "Accept-Encoding": "identity"}
OF_IMAGE: dict[int, type[ImageFailed]] = {
    401: SourceForbidden,
    403: SourceForbidden,
    404: ImageMissing,
    410: ImageMissing,
}
AWAY = frozenset({408, 425, 429})  # and all from 500
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class UrlNotAllowed(Forbidden):
    """The host is not among those that SAMFLEET_URL_SOURCES allows."""

    code = "url_not_allowed"


@dataclass(frozen=True, slots=True)
class UrlRules:
    """Hosts that may be read, as in the setting, and the limits of a request and of trying again, in seconds."""

    hosts: Sequence[str] = ()
    policy: AddressPolicy = field(default_factory=AddressPolicy)
    timeout_seconds: float = 60.0
    retry_seconds: float = 300.0

    @classmethod
    def of(cls, settings: SourceSettings) -> Self:
        return cls(
            settings.url_sources,
            AddressPolicy.of(settings.url_private_addresses),
            settings.url_timeout.total_seconds(),
            settings.url_retry_for.total_seconds(),
        )

    def check(self, text: str) -> httpx.URL:
        """Return the parsed address. Raises `UrlInvalid`, `UrlNotAllowed` or `AddressForbidden`."""
        url = check_url(text, self.policy, plain_http=True)
        if not any(_matches(place, url) for place in self.hosts):
            allowed = ", ".join(self.hosts) or "none: this server reads no URLs"
            raise UrlNotAllowed(f"{url.netloc.decode()} is not an allowed host ({SETTING}: {allowed})")
        return url


def url_uri(url: str, etag: str | None) -> str:
    """Return the `DatasetImage.uri`: the address, and the stated ETag as its fragment."""
    return f"{url}#{quote(etag)}" if etag else url


class UrlSources:
    """Reader of images by address; threads share it.

    A server that does not answer delays the shard, like an object store. An image fails if its address, or all of its
    server, has not answered for `retry_seconds`, as far as this process knows.
    """

    def __init__(
        self,
        rules: UrlRules,
        *,
        resolver: Resolver = resolve,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rules = rules
        self._resolver = resolver
        self._clock = clock
        self._pause = pause
        self._silent: OrderedDict[str, float] = OrderedDict()  # since when, by address and by origin
        self._noting = threading.Lock()

    @property
    def readers(self) -> Remote:
        """Return the readers of images by scheme, for `samfleet.datasets.content.read_image`."""
        return {"http": self.read, "https": self.read}

    def read(self, uri: str, max_bytes: int) -> bytes:
        """Return the image; at most `max_bytes` + 1 bytes are read.

        Raises a subclass of `ImageFailed` if the image is at fault, `UrlNotAllowed` if the settings have changed, and
        `StorageUnavailable` if the server does not answer.
        """
        text, fragment = urldefrag(uri)
        url = self._checked(text)
        try:
            reply = self._fetched(url, max_bytes + 1)
        except Unavailable as error:
            raise self._away(url, error) from error
        self._answered(url)
        return _content(text, reply, unquote(fragment))

    def _checked(self, text: str) -> httpx.URL:
        try:
            return self.rules.check(text)
        except AddressForbidden as error:
            raise SourceForbidden(error.message) from error

    def _fetched(self, url: httpx.URL, most_bytes: int) -> Reply:
        pause = FIRST_PAUSE_SECONDS
        for _ in range(TRIES - 1):
            try:
                return self._followed(url, most_bytes)
            except Unavailable as error:
                asked = error.retry_after_seconds or 0.0
                if asked > MOST_PAUSE_SECONDS:
                    raise
                self._pause(max(pause, asked))
                pause *= 4
        return self._followed(url, most_bytes)

    def _followed(self, url: httpx.URL, most_bytes: int) -> Reply:
        """Return the reply at the end of the redirects."""
        until = self._clock() + self.rules.timeout_seconds
        at = url
        for _ in range(MOST_REDIRECTS + 1):
            reply = self._asked(at, most_bytes, max(0.001, until - self._clock()), redirected=at is not url)
            if reply.status not in REDIRECTS or "location" not in reply.headers:
                return reply
            at = self._target(url, at, reply.headers["location"])
        raise RedirectForbidden(f"{url} redirects more than {MOST_REDIRECTS} times; state the last address")

    def _asked(self, url: httpx.URL, most_bytes: int, seconds: float, *, redirected: bool) -> Reply:
        try:
            reply = send(
                "GET",
                url,
                self.rules.policy,
                headers=HEADERS,
                content=b"",
                timeout_seconds=seconds,
                most_bytes=most_bytes,
                whole=True,
                resolver=self._resolver,
            )
        except AddressForbidden as error:
            raise (RedirectForbidden if redirected else SourceForbidden)(error.message) from error
        except UrlInvalid as error:
            raise ImageUnreadable(f"{url}: {error.message}") from error
        if reply.status in AWAY or reply.status >= 500:  # noqa: PLR2004 - HTTP's errors of servers
            after = wait_seconds(reply.headers.get("retry-after", ""))
            raise StorageUnavailable(f"{url} answers with the status {reply.status}", retry_after_seconds=after)
        return reply

    def _target(self, url: httpx.URL, at: httpx.URL, location: str) -> httpx.URL:
        try:
            target = self.rules.check(str(at.join(location).copy_with(fragment=None)))
        except (SamfleetError, httpx.InvalidURL, ValueError) as error:
            reason = error.message if isinstance(error, SamfleetError) else str(error)
            raise RedirectForbidden(f"{url} redirects to an address that may not be read: {reason}") from error
        if at.scheme == "https" and target.scheme == "http":
            raise RedirectForbidden(f"{url} redirects from https:// to http://; state an address that does not")
        return target

    def _away(self, url: httpx.URL, error: Unavailable) -> SamfleetError:
        """Return the error of an address that did not answer: the image's if it has not for long."""
        now = self._clock()
        with self._noting:
            since = min(self._silent.setdefault(key, now) for key in (str(url), _origin(url)))
            while len(self._silent) > MOST_REMEMBERED:
                self._silent.popitem(last=False)
        seconds = now - since
        if seconds >= self.rules.retry_seconds:
            return SourceUnavailable(f"{url} has not answered for {seconds:.0f} s ({error.message})")
        return StorageUnavailable(f"{url}: {error.message}", retry_after_seconds=error.retry_after_seconds)

    def _answered(self, url: httpx.URL) -> None:
        with self._noting:
            for key in (str(url), _origin(url)):
                self._silent.pop(key, None)


def _matches(place: str, url: httpx.URL) -> bool:
    parts = urlsplit(f"//{place}")
    host, port = (parts.hostname or ""), parts.port or DEFAULT_PORTS[url.scheme]
    if port != (url.port or DEFAULT_PORTS[url.scheme]):
        return False
    asked = url.raw_host.decode("ascii")
    return host in {"*", asked} or (host.startswith("*.") and asked.endswith(host[1:]))


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode()}"


def _content(url: str, reply: Reply, etag: str) -> bytes:
    if reply.status in OF_IMAGE:
        raise OF_IMAGE[reply.status](f"{url} answers with the status {reply.status}; correct the address or its rights")
    if reply.status != 200:  # noqa: PLR2004 - HTTP's OK
        raise ImageUnreadable(f"{url} answers with the status {reply.status}; state an address that has the image")
    if etag and _plain(reply.headers.get("etag", "")) != _plain(etag):
        found = reply.headers.get("etag", "none")
        raise SourceChanged(f"{url} has the ETag {found}, not the one of the manifest ({etag}); make a new dataset")
    return reply.body


def _plain(etag: str) -> str:
    """Return the ETag for a weak comparison, with or without quotes."""
    return etag.strip().removeprefix("W/").strip('"')


NO_URLS = UrlSources(UrlRules())
