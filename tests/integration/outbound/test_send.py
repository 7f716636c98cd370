"""Requests to receivers on the loopback, most of them hostile. Each costs one attempt within the time limit."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fixtures.servers.receiver import Behaviour, Receiver, close_early, drip, endless, garbage, receiving, reply, silent
from samfleet.outbound import request
from samfleet.outbound.addresses import Address, AddressForbidden, AddressPolicy
from samfleet.outbound.connect import Deadline, resolve
from samfleet.outbound.errors import ConnectionFailed, NameUnresolvable, ReceiverTimedOut, ReplyInvalid, TlsFailed
from samfleet.outbound.request import Reply, check_url, send

LOOPBACK = AddressPolicy.of(["127.0.0.0/8"])
NAME = "hooks.example.test"
QUICK = 0.4
PATIENT = 20.0


def post(url: str, *, timeout: float = PATIENT, policy: AddressPolicy = LOOPBACK, **options: Any) -> Reply:
    return send(
        "POST",
        check_url(url, LOOPBACK),
        policy,
        headers={"Content-Type": "application/json"},
        content=b"{}",
        timeout_seconds=timeout,
        most_bytes=1000,
        **options,
    )


def to_loopback(_host: str, _port: int) -> list[Address]:
    return [ip_address("127.0.0.1")]


def test_a_request_arrives_whole(receiver: Receiver) -> None:
    receiver.behave(reply(201, b"made", Retry_After="7"))
    answer = post(receiver.url)
    (got,) = receiver.requests
    assert (got.path, got.body) == ("/hooks?from=samfleet", b"{}")
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (201, b"made", "7")


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.behave(reply(302, Location="http://127.0.0.1:1/inside"))
    assert post(receiver.url).status == 302
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("behaviour", [drip(), drip(b"HTTP/1.1 200 OK\r\nX: "), silent])
def test_a_slow_reply_ends_at_the_time_limit(receiver: Receiver, behaviour: Behaviour) -> None:
    receiver.behave(behaviour)
    started = time.monotonic()
    with pytest.raises(ReceiverTimedOut):
        post(receiver.url, timeout=QUICK)
    assert QUICK <= time.monotonic() - started < PATIENT


def test_a_body_that_drips_is_cut_at_the_time_limit(receiver: Receiver) -> None:
    receiver.behave(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"))
    answer = post(receiver.url, timeout=QUICK)
    assert answer.status == 200
    assert set(answer.body) <= {ord("H")}


def test_an_endless_body_is_cut_at_its_limit(receiver: Receiver) -> None:
    receiver.behave(endless)
    answer = post(receiver.url)
    assert answer.body == b"x" * 1000
    assert answer.seconds < PATIENT


@pytest.mark.parametrize("behaviour", [close_early, garbage])
def test_a_reply_that_is_no_http_is_refused(receiver: Receiver, behaviour: Behaviour) -> None:
    receiver.behave(behaviour)
    with pytest.raises((ReplyInvalid, ConnectionFailed)):
        post(receiver.url)


def test_a_closed_port_is_named(receiver: Receiver) -> None:
    with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1 accepts no connection on port 1 "):
        post("http://127.0.0.1:1/")


def test_a_forbidden_address_gets_no_connection(receiver: Receiver) -> None:
    for policy in (AddressPolicy(), AddressPolicy.of(["10.0.0.0/8"])):
        with pytest.raises(AddressForbidden):
            post(receiver.url, policy=policy)
    with pytest.raises(AddressForbidden):
        post(f"http://localhost:{receiver.port}/", policy=AddressPolicy())
    assert receiver.requests == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1"])
def test_other_notations_of_the_loopback_are_checked_after_resolution(receiver: Receiver, host: str) -> None:
    url = f"http://{host}:{receiver.port}/"
    assert post(url).status == 204
    with pytest.raises(AddressForbidden):
        post(url, policy=AddressPolicy())


def test_a_name_is_resolved_once_and_the_checked_address_is_used(receiver: Receiver) -> None:
    """A name server that first gives an allowed address cannot move the connection to another one afterwards."""
    replies = iter([[ip_address("127.0.0.1")], [ip_address("10.0.0.1")]])
    assert post(f"http://{NAME}:{receiver.port}/", resolver=lambda _host, _port: next(replies)).status == 204
    assert receiver.requests[0].headers["host"] == f"{NAME}:{receiver.port}"
    with pytest.raises(AddressForbidden):
        post(f"http://{NAME}:{receiver.port}/", resolver=lambda _host, _port: next(replies))


def test_the_next_address_is_tried(receiver: Receiver) -> None:
    both = [ip_address("127.0.0.2"), ip_address("127.0.0.1")]  # nothing listens on the first
    assert post(f"http://{NAME}:{receiver.port}/", resolver=lambda _host, _port: both).status == 204


def test_a_name_without_an_address_is_an_error() -> None:
    with pytest.raises(NameUnresolvable):
        resolve("no-such-name.invalid", 443)


def test_a_name_server_that_hangs_ends_at_the_time_limit() -> None:
    hang = threading.Event()

    def never(_host: str, _port: int) -> list[Address]:
        hang.wait(PATIENT)
        return []

    with pytest.raises(ReceiverTimedOut, match="was not resolved in time"):
        post(f"http://{NAME}/", timeout=QUICK, resolver=never)
    hang.set()


def test_proxies_of_the_environment_are_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert post(receiver.url).status == 204


def test_no_time_is_left_after_the_deadline() -> None:
    with pytest.raises(ReceiverTimedOut, match="limit: 0 s"):
        Deadline(0).left()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of `NAME`, signed by its own key, which follows in the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + built.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def tls_receiver(certificate: Path) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with receiving(context) as receiver:
        yield receiver


def test_tls_verifies_the_name_although_the_address_was_resolved_before(
    tls_receiver: Receiver, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(request, "_trusted", lambda: trusted)
    url = f"https://{NAME}:{tls_receiver.port}/"
    assert post(url, resolver=to_loopback).status == 204
    assert tls_receiver.names == [NAME]
    assert tls_receiver.requests[0].headers["host"] == f"{NAME}:{tls_receiver.port}"
    with pytest.raises(TlsFailed, match="certificate"):
        post(f"https://other.example.test:{tls_receiver.port}/", resolver=to_loopback)


def test_an_unknown_certificate_is_refused(tls_receiver: Receiver) -> None:
    with pytest.raises(TlsFailed, match="certificate"):
        post(f"https://{NAME}:{tls_receiver.port}/", resolver=to_loopback)
    assert tls_receiver.requests == []
