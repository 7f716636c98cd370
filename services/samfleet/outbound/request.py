"""One outbound request: no redirects, no proxy, a total time limit and a bounded reply."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import certifi
import httpcore
import httpx

from samfleet.outbound.addresses import AddressPolicy, literal_address
from samfleet.outbound.connect import CheckedBackend, Deadline, Resolver, resolve
from samfleet.outbound.errors import FOREIGN, ReceiverTimedOut, UrlInvalid, mapped

MOST_URL_CHARACTERS = 2000
DEFAULT_PORTS = {"http": 80, "https": 443}
INTERRUPTED: tuple[type[Exception], ...] = (ReceiverTimedOut, *FOREIGN)


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers with lower-case names, and the first bytes of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


def check_url(text: str, policy: AddressPolicy, *, plain_http: bool = False) -> httpx.URL:
    """Return the parsed URL. Raises `UrlInvalid`, and `AddressForbidden` for the literal address of a forbidden host.

    Plain HTTP is accepted with `plain_http`, or where the operator allows private networks: on the Internet, anybody on
    the path could read and delay it.
    """
    if len(text) > MOST_URL_CHARACTERS or not text.isprintable() or " " in text:
        raise UrlInvalid(f"the URL has blanks or control characters, or more than {MOST_URL_CHARACTERS} characters")
    try:
        url = httpx.URL(text)
        port = DEFAULT_PORTS.get(url.scheme, 0) if url.port is None else url.port
    except (httpx.InvalidURL, ValueError) as error:
        raise UrlInvalid(f"the URL cannot be read: {error}") from error
    schemes = ("https", "http") if policy.allowed or plain_http else ("https",)
    if url.scheme not in schemes or not url.host or not 0 < port < 2**16:
        raise UrlInvalid(f"the URL must start with {' or '.join(f'{scheme}://' for scheme in schemes)} and a host")
    if url.userinfo or url.fragment:
        raise UrlInvalid("the URL must not have a user name, password or fragment")
    if (address := literal_address(url.host)) is not None:
        policy.check(url.host, [address])
    return url


def send(
    method: str,
    url: httpx.URL,
    policy: AddressPolicy,
    *,
    headers: Mapping[str, str],
    content: bytes,
    timeout_seconds: float,
    most_bytes: int,
    whole: bool = False,
    resolver: Resolver = resolve,
) -> Reply:
    """Send a request and return its reply with at most `most_bytes` of the body.

    `url` comes from `check_url`. Once the status has arrived, the reply counts: a body that breaks off or does not end
    in time is cut, or with `whole` an error. Raises `AddressForbidden` and the errors of `samfleet.outbound.errors`.
    """
    started = time.monotonic()
    deadline = Deadline(timeout_seconds)
    target = httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port or DEFAULT_PORTS[url.scheme], target=url.raw_path
    )
    names = {"Host": url.netloc.decode("ascii"), **headers}
    timeouts = dict.fromkeys(("connect", "read", "write", "pool"), timeout_seconds)
    backend = CheckedBackend(policy, deadline, resolver)
    try:
        with (
            httpcore.ConnectionPool(_trusted(), network_backend=backend, max_connections=1) as pool,
            pool.stream(
                method, target, headers=list(names.items()), content=content, extensions={"timeout": timeouts}
            ) as response,
        ):
            body = _beginning(response, most_bytes, whole=whole)
    except FOREIGN as error:
        raise mapped(error) from error
    found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
    return Reply(response.status, found, body, time.monotonic() - started)


def _beginning(response: httpcore.Response, most_bytes: int, *, whole: bool) -> bytes:
    kept = bytearray()
    try:
        for piece in response.iter_stream():
            kept += piece[: most_bytes - len(kept)]
            if len(kept) >= most_bytes:
                break
    except INTERRUPTED:
        if whole:
            raise
        return bytes(kept)  # the status has arrived, and it decides
    return bytes(kept)


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """Trust the authorities of the system (SSL_CERT_FILE included) and those of certifi."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
