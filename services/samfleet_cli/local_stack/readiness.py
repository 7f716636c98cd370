"""How the supervisor learns that a part answers. Each check asks the part itself and takes a second at most."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samfleet.triton_tls import SERVER_NAME, derive_identity

_SECONDS = 1.0
_SERVER_READY = "/inference.GRPCInferenceService/ServerReady"
_EMPTY_REQUEST = b""
_READY_ANSWER = b"\x08\x01"  # field 1, a boolean: true


@dataclass(frozen=True, slots=True)
class HttpReady:
    """A GET that answers with a status below 400."""

    host: str
    port: int
    path: str

    def is_ready(self) -> bool:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=_SECONDS)
        try:
            connection.request("GET", self.path)
            return connection.getresponse().status < http.HTTPStatus.BAD_REQUEST
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class TritonReady:
    """`ServerReady` of Triton's gRPC protocol, the question that `GET /v2/health/ready` asks over HTTP. The messages
    are spelt out as bytes: tritonclient is the worker's alone.
    """

    address: str
    secret: str | None = None

    def is_ready(self) -> bool:
        import grpc

        with self._channel() as channel:
            try:
                answer = channel.unary_unary(_SERVER_READY)(_EMPTY_REQUEST, timeout=_SECONDS)
            except grpc.RpcError:
                return False
        return bool(answer == _READY_ANSWER)

    def _channel(self) -> Any:
        import grpc

        options = [("grpc.enable_retries", 0)]
        if self.secret is None:
            return grpc.insecure_channel(self.address, options)
        identity = derive_identity(self.secret)
        credentials = grpc.ssl_channel_credentials(identity.authority, identity.key, identity.certificate)
        return grpc.secure_channel(
            self.address, credentials, [*options, ("grpc.ssl_target_name_override", SERVER_NAME)]
        )


@dataclass(frozen=True, slots=True)
class PostgresReady:
    """A login to the database itself: it fails while PostgreSQL replays its log."""

    conninfo: str

    def is_ready(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.conninfo, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class RedisReady:
    """PING, which fails while Redis loads its append-only file."""

    url: str

    def is_ready(self) -> bool:
        import redis

        with redis.Redis.from_url(self.url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """A ping through the broker to one worker by name: only a worker that consumes from the broker replies. Taking the
    first reply answers in milliseconds, where `celery inspect ping` starts an interpreter and waits for all.
    """

    broker_url: str
    node_name: str

    def is_ready(self) -> bool:
        from celery import Celery
        from kombu.exceptions import OperationalError

        with Celery(broker=self.broker_url, set_as_current=False) as app:
            app.conf.broker_connection_retry = False
            app.conf.broker_transport_options = {"socket_connect_timeout": _SECONDS, "socket_timeout": _SECONDS}
            try:
                return bool(app.control.ping(destination=[self.node_name], timeout=_SECONDS, limit=1))
            except OperationalError:
                return False


@dataclass(frozen=True, slots=True)
class FileWritten:
    """The beat answers to nobody; it has started when it has written its schedule. `newer_than` is the time of the
    start in seconds since the epoch. The database behind the schedule may add a suffix to the name.
    """

    path: Path
    newer_than: float

    def is_ready(self) -> bool:
        files = self.path.parent.glob(f"{self.path.name}*")
        return any(file.stat().st_mtime >= self.newer_than for file in files)
