"""The proxies of the chaos suite: connections move to another target, and requests are refused by a seed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from chaos.suite.surroundings.refusing_proxy import Chooser, RefusingProxy
from chaos.suite.surroundings.tcp_proxy import TcpProxy

SECONDS = 10


@contextmanager
def greeter(greeting: bytes) -> Iterator[int]:
    """A server that sends its greeting, then echoes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def echo(connection: socket.socket) -> None:
        with connection:
            connection.sendall(greeting)
            while data := connection.recv(100):
                connection.sendall(data)

    def serve() -> None:
        with ThreadPoolExecutor() as threads:
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                threads.submit(echo, connection)

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def connect(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), SECONDS)


def test_a_switch_closes_connections_and_leads_new_ones_elsewhere() -> None:
    proxy = TcpProxy()
    with greeter(b"old") as old, greeter(b"new") as new, ExitStack() as stack:
        stack.callback(proxy.close)
        proxy.switch(old)
        first = stack.enter_context(connect(proxy))
        assert first.recv(3) == b"old"
        first.sendall(b"ping")
        assert first.recv(4) == b"ping"
        open_one = stack.enter_context(connect(proxy))
        assert open_one.recv(3) == b"old"
        proxy.switch(None)
        assert open_one.recv(1) == b""
        assert stack.enter_context(connect(proxy)).recv(1) == b""
        proxy.switch(new)
        assert stack.enter_context(connect(proxy)).recv(3) == b"new"


def test_refusals_follow_from_the_seed() -> None:
    first, again, other = (Chooser(seed, 0.3) for seed in (1, 1, 2))
    sequences = [[chooser.refuses() for _ in range(200)] for chooser in (first, again, other)]
    assert sequences[0] == sequences[1] != sequences[2]
    assert first.refused == sum(sequences[0])
    assert 30 < first.refused < 90


def test_a_strike_refuses_a_number_of_requests_in_a_row() -> None:
    chooser = Chooser(1, 0.0)
    assert not chooser.refuses()
    chooser.refuse_next(2)
    assert [chooser.refuses() for _ in range(3)] == [True, True, False]
    chooser.refuse_next(2)
    chooser.calm()
    assert not chooser.refuses()


def test_the_proxy_refuses_with_503_and_forwards_the_rest() -> None:
    class Server(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response_only(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Path", self.path)
            self.end_headers()
            self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.send_response_only(200)
            self.send_header("Content-Length", "7")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with RefusingProxy(server.server_port, 1, 0.0) as proxy:
        connection = HTTPConnection("127.0.0.1", proxy.port, timeout=SECONDS)
        connection.request("PUT", "/bucket/key?part=1", b"content")
        reply = connection.getresponse()
        assert (reply.status, reply.getheader("X-Path"), reply.read()) == (200, "/bucket/key?part=1", b"content")
        proxy.refuse_next(1)
        connection.request("PUT", "/bucket/key", b"content")
        refused = connection.getresponse()
        assert (refused.status, b"SlowDown" in refused.read()) == (503, True)
        connection.request("HEAD", "/bucket/key")
        head = connection.getresponse()
        assert (head.status, head.getheader("Content-Length"), head.read()) == (200, "7", b"")
        connection.close()
    server.shutdown()
    server.server_close()
