"""An HTTP proxy in front of one server that replies 503 to some requests, chosen by a seed."""

from __future__ import annotations

import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Self

LOOPBACK = "127.0.0.1"
REPLY_SECONDS = 60.0
SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect"}


class Chooser:
    """Choice of the requests to refuse: a share of all, and after `refuse_next` a number in a row."""

    def __init__(self, seed: int, share: float) -> None:
        self._random = Random(seed)
        self._share = share
        self._next = 0
        self._lock = threading.Lock()
        self.refused = 0

    def refuse_next(self, count: int) -> None:
        with self._lock:
            self._next += count

    def calm(self) -> None:
        with self._lock:
            self._share, self._next = 0.0, 0

    def refuses(self) -> bool:
        with self._lock:
            at_random = self._random.random() < self._share
            refused = self._next > 0 or at_random
            self._next = max(0, self._next - 1)
            self.refused += refused
            return refused


class RefusingProxy(Chooser):
    def __init__(self, server_port: int, seed: int, share: float) -> None:
        super().__init__(seed, share)

        class Handler(_Forwarder):
            chooser = self

        Handler.server_port = server_port
        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.port = self._server.server_port

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="refusing-proxy", daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Forwarder(BaseHTTPRequestHandler):
    """One connection of a client. Every request is read whole, then refused or sent on."""

    protocol_version = "HTTP/1.1"
    server_port = 0
    chooser: Chooser

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.chooser.refuses():
            self._reply(503, {"Content-Type": "application/xml"}, SLOW_DOWN)
            return
        connection = HTTPConnection(LOOPBACK, self.server_port, timeout=REPLY_SECONDS)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        try:
            connection.request(self.command, self.path, body, headers)
            reply = connection.getresponse()
            kept = {name: value for name, value in reply.getheaders() if name.lower() not in HOP_BY_HOP}
            length = reply.getheader("Content-Length")
            self._reply(reply.status, kept, reply.read(), length)
        finally:
            connection.close()

    def _reply(self, status: int, headers: dict[str, str], body: bytes, length: str | None = None) -> None:
        """Send a reply. A reply to HEAD has the length of a body that is not sent."""
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length if length and self.command == "HEAD" else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815 - names of http.server

    def log_message(self, *_arguments: object) -> None:
        """Write no access log."""
