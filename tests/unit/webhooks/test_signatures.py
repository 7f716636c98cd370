"""Signatures, verified by the reference library of Standard Webhooks."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from samfleet.webhooks.signatures import new_secret, signature, signed_headers

BODY = '{"type":"job.completed","data":{"name":"größe"}}'.encode()


@pytest.fixture
def now() -> datetime:
    """The time of the test: the library refuses messages that are five minutes old."""
    return datetime.now(UTC)


def test_a_secret_has_the_form_of_the_specification() -> None:
    secret = new_secret()
    assert secret.startswith("whsec_")
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
    assert new_secret() != secret


def test_the_reference_library_accepts_the_headers(now: datetime) -> None:
    secret = new_secret()
    verified = Webhook(secret).verify(BODY, signed_headers([secret], "msg_1", now, BODY))
    assert verified["type"] == "job.completed"


def test_the_reference_library_signs_alike(now: datetime) -> None:
    secret = new_secret()
    assert Webhook(secret).sign("msg_1", now, BODY.decode()) == signature(secret, "msg_1", int(now.timestamp()), BODY)


def test_both_secrets_verify_a_message_signed_with_both(now: datetime) -> None:
    old, new = new_secret(), new_secret()
    headers = signed_headers([new, old], "msg_1", now, BODY)
    for secret in (old, new):
        Webhook(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers)


@pytest.mark.parametrize(
    ("message_id", "seconds", "body"), [("msg_2", 0, BODY), ("msg_1", 1, BODY), ("msg_1", 0, BODY + b" ")]
)
def test_a_changed_part_is_rejected(now: datetime, message_id: str, seconds: int, body: bytes) -> None:
    secret = new_secret()
    signed = signed_headers([secret], "msg_1", now, BODY)
    changed = {
        **signed_headers([secret], message_id, now + timedelta(seconds=seconds), body),
        "webhook-signature": signed["webhook-signature"],
    }
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, changed)
