"""One attempt: a signed request, and its outcome as data."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from samfleet.errors import Forbidden, InvalidInput, Unavailable
from samfleet.outbound.addresses import AddressPolicy
from samfleet.outbound.connect import Resolver, resolve
from samfleet.outbound.request import Reply, check_url, send
from samfleet.version import code_version
from samfleet.webhooks.signatures import signed_headers

MOST_REPLY_BYTES = 1024  # kept in the log
STATUS = "status"  # error code of a reply other than 2xx
REDIRECTED = "redirected"


@dataclass(frozen=True, slots=True)
class Message:
    """A message to send, with everything that an attempt needs, so that no transaction stays open during it."""

    delivery_id: uuid.UUID
    message_id: str
    body: str
    url: str
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of an attempt. `status` is None if no reply came; `error_code` is None if the message was delivered."""

    at: datetime
    seconds: float
    status: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    reply: str | None = None
    retry_after: timedelta | None = None

    @property
    def delivered(self) -> bool:
        return self.error_code is None

    @property
    def gone(self) -> bool:
        """The receiver wants no messages any more: status 410."""
        return self.status == HTTPStatus.GONE


def attempt(message: Message, policy: AddressPolicy, timeout_seconds: float, resolver: Resolver = resolve) -> Outcome:
    """Send a message once. Every failure of the receiver becomes an outcome; it raises nothing for them."""
    at, started = datetime.now(UTC), time.monotonic()
    body = message.body.encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"samfleet/{code_version()}",
        **signed_headers(message.secrets, message.message_id, at, body),
    }
    try:
        reply = send(
            "POST",
            check_url(message.url, policy),
            policy,
            headers=headers,
            content=body,
            timeout_seconds=timeout_seconds,
            most_bytes=MOST_REPLY_BYTES,
            resolver=resolver,
        )
    except (Forbidden, InvalidInput, Unavailable) as error:
        return Outcome(at, time.monotonic() - started, error_code=error.code, error_message=error.message)
    return _judge(reply, at)


def _judge(reply: Reply, at: datetime) -> Outcome:
    text = "".join(character for character in reply.body.decode("utf-8", "replace") if character != "\0")
    if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
        return Outcome(at, reply.seconds, reply.status, reply=text)
    redirected = HTTPStatus.MULTIPLE_CHOICES <= reply.status < HTTPStatus.BAD_REQUEST
    why = "redirects are not followed; register the final URL" if redirected else "the receiver must answer 2xx"
    return Outcome(
        at,
        reply.seconds,
        reply.status,
        REDIRECTED if redirected else STATUS,
        f"the reply was {reply.status}; {why}",
        text,
        _retry_after(reply),
    )


def _retry_after(reply: Reply) -> timedelta | None:
    """Return `Retry-After` if it is a number of seconds; dates are ignored, as the back-off suffices."""
    value = reply.headers.get("retry-after", "")
    return timedelta(seconds=int(value)) if value.isascii() and value.isdigit() and len(value) < 10 else None  # noqa: PLR2004 - beyond 30 years
