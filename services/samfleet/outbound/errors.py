"""Errors of outbound requests, and the table that maps those of httpcore."""

from __future__ import annotations

import httpcore

from samfleet.errors import InvalidInput, Unavailable, describe


class UrlInvalid(InvalidInput):
    """The URL cannot be used; give one such as `https://example.com/samfleet`, without a user name or fragment."""

    code = "url_invalid"


class NameUnresolvable(Unavailable):
    """The host name has no address; check its spelling and its DNS records."""

    code = "name_unresolvable"


class ConnectionFailed(Unavailable):
    """The server accepts no connection or breaks it; check that it runs and that a firewall lets requests through."""

    code = "connection_failed"


class TlsFailed(Unavailable):
    """TLS with the server failed; its certificate must be valid for the host name."""

    code = "tls_failed"


class ReceiverTimedOut(Unavailable):
    """The server did not answer in time; it should answer first and work afterwards."""

    code = "receiver_timed_out"


class ReplyInvalid(Unavailable):
    """The server's answer is not HTTP, or it closed the connection before the answer."""

    code = "reply_invalid"


# The first base class of an error that is listed here decides.
MAPPED: tuple[tuple[type[Exception], type[Unavailable | UrlInvalid]], ...] = (
    (httpcore.TimeoutException, ReceiverTimedOut),
    (httpcore.ConnectError, ConnectionFailed),
    (httpcore.NetworkError, ConnectionFailed),
    (httpcore.RemoteProtocolError, ReplyInvalid),
    (httpcore.LocalProtocolError, UrlInvalid),
    (httpcore.ProtocolError, ReplyInvalid),
    (httpcore.ProxyError, ConnectionFailed),
    (httpcore.UnsupportedProtocol, UrlInvalid),
    (httpcore.ConnectionNotAvailable, ConnectionFailed),
)
FOREIGN = tuple(error for error, _ in MAPPED)


def mapped(error: Exception) -> Unavailable | UrlInvalid:
    """Return our error for one of httpcore's. Its message names the cause."""
    ours = next(ours for foreign, ours in MAPPED if isinstance(error, foreign))
    return ours(f"{ours().message} ({describe(error)})")
