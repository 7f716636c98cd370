"""Readiness checks of parts. Each check queries the part itself and takes a few seconds at most.

A part that replies "not yet" is busy. Only a part that does not reply at all is silent and may count as hanging.
"""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samfleet.no_proxy import GRPC_WITHOUT_PROXY
from samfleet.triton_tls import SERVER_NAME, derive_identity
from samfleet_cli.local_stack.model_index import (
    REPOSITORY_INDEX,
    SERVER_METADATA,
    UNAVAILABLE,
    IndexedModel,
    read_index,
    read_version,
)
from samfleet_cli.local_stack.part import Answer, NeverReady

_SECONDS = 4.0  # the API's own checks of its database and broker take up to three
_SERVER_READY = "/inference.GRPCInferenceService/ServerReady"
_EMPTY_REQUEST = b""
_READY_ANSWER = b"\x08\x01"  # field 1, a boolean: true


@dataclass(frozen=True, slots=True)
class HttpReady:
    """Check by HTTP GET: a status below 400 means ready, any other status busy."""

    host: str
    port: int
    path: str

    def ask(self) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=_SECONDS)
        try:
            connection.request("GET", self.path)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return Answer.SILENT
        finally:
            connection.close()
        return Answer.READY if status < http.HTTPStatus.BAD_REQUEST else Answer.BUSY


@dataclass(frozen=True, slots=True)
class TritonReady:
    """Check by `ServerReady` of Triton's gRPC protocol, the equivalent of `GET /v2/health/ready`. Messages are raw
    bytes, because tritonclient is only the worker's dependency.
    """

    address: str
    secret: str | None = None
    models: tuple[str, ...] = ()  # models that the server loads at start

    def ask(self) -> Answer:
        """Query the server. An error reply or "not ready" means busy. The server replies after it has tried to load its
        models. Raises `NeverReady` if it could not load one.
        """
        import grpc

        with self._channel() as channel:
            try:
                answer = channel.unary_unary(_SERVER_READY)(_EMPTY_REQUEST, timeout=_SECONDS)
                index = channel.unary_unary(REPOSITORY_INDEX)(_EMPTY_REQUEST, timeout=_SECONDS) if self.models else b""
            except grpc.RpcError as error:
                away = error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
                return Answer.SILENT if away else Answer.BUSY
        self._require_models(read_index(index))
        return Answer.READY if answer == _READY_ANSWER else Answer.BUSY

    def version(self) -> str | None:
        """Return the server's version; None if it does not reply, or refuses this secret."""
        import grpc

        with self._channel() as channel:
            try:
                return read_version(channel.unary_unary(SERVER_METADATA)(_EMPTY_REQUEST, timeout=_SECONDS))
            except grpc.RpcError:
                return None

    def _require_models(self, index: list[IndexedModel]) -> None:
        failed = [model for model in index if model.name in self.models and model.state == UNAVAILABLE]
        if failed:
            raise NeverReady("; ".join(f"Triton cannot load {model.name}: {model.said}" for model in failed))

    def _channel(self) -> Any:
        import grpc

        options = [("grpc.enable_retries", 0), GRPC_WITHOUT_PROXY]
        if self.secret is None:
            return grpc.insecure_channel(self.address, options)
        identity = derive_identity(self.secret)
        credentials = grpc.ssl_channel_credentials(identity.authority, identity.key, identity.certificate)
        return grpc.secure_channel(
            self.address, credentials, [*options, ("grpc.ssl_target_name_override", SERVER_NAME)]
        )


@dataclass(frozen=True, slots=True)
class PostgresReady:
    """Check by a login and a query. A FATAL message means busy: PostgreSQL replays its log or shuts down."""

    conninfo: str

    def ask(self) -> Answer:
        import psycopg

        try:
            with psycopg.connect(self.conninfo, connect_timeout=int(_SECONDS)) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError as error:
            return Answer.BUSY if "FATAL" in str(error) else Answer.SILENT
        return Answer.READY


@dataclass(frozen=True, slots=True)
class RedisReady:
    """Check by PING. An error reply means busy: Redis loads its append-only file."""

    url: str

    def ask(self) -> Answer:
        import redis

        with redis.Redis.from_url(self.url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS) as client:
            try:
                return Answer.READY if client.ping() else Answer.BUSY
            except (redis.exceptions.BusyLoadingError, redis.exceptions.ResponseError):
                return Answer.BUSY
            except redis.RedisError:
                return Answer.SILENT


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """Check by a ping to a named worker through the broker: only a worker that consumes from the broker replies.
    Stopping at the first reply takes milliseconds; `celery inspect ping` starts an interpreter and waits for all.

    If the broker is unavailable, kombu, redis-py or the socket raises an error. All of these count as silence.
    """

    broker_url: str
    node_name: str

    def ask(self) -> Answer:
        from celery import Celery
        from kombu.exceptions import KombuError, OperationalError
        from redis.exceptions import RedisError

        with Celery(broker=self.broker_url, set_as_current=False) as app:
            app.conf.broker_connection_retry = False
            app.conf.broker_transport_options = {"socket_connect_timeout": _SECONDS, "socket_timeout": _SECONDS}
            try:
                replies = app.control.ping(destination=[self.node_name], timeout=_SECONDS, limit=1)
            except (OperationalError, KombuError, RedisError, OSError):
                return Answer.SILENT
        return Answer.READY if replies else Answer.SILENT


@dataclass(frozen=True, slots=True)
class FileWritten:
    """Check by a file's modification time, for the beat, which accepts no requests. It writes its schedule with every
    task that it sends (`beat_sync_every`), so the file must be newer than the start and at most `within_seconds` old.
    `newer_than` is the time of the start in seconds since the epoch. The file name may have a suffix.
    """

    path: Path
    newer_than: float
    within_seconds: float

    def ask(self) -> Answer:
        times = [file.stat().st_mtime for file in self.path.parent.glob(f"{self.path.name}*")]
        oldest = max(self.newer_than, time.time() - self.within_seconds)
        return Answer.READY if any(written >= oldest for written in times) else Answer.SILENT
