"""`deploy/ask.py`, the health check of HTTP servers in containers, run without site packages as it runs there."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from samfleet_cli.local_stack.ports import choose_ports

PROGRAM = Path(__file__).resolve().parents[2] / "deploy" / "ask.py"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def ask(port: int, path: str) -> subprocess.CompletedProcess[str]:
    argv = (sys.executable, "-S", str(PROGRAM), str(port), path)
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)


def test_a_ready_server_is_healthy(port: int) -> None:
    answer = ask(port, "/readyz")

    assert (answer.returncode, answer.stderr) == (0, "")


def test_another_status_is_unhealthy_and_named(port: int) -> None:
    answer = ask(port, "/busy")

    assert (answer.returncode, answer.stderr) == (1, "/busy replied 503\n")


def test_a_refused_connection_is_unhealthy() -> None:
    answer = ask(choose_ports(["api"], {})["api"], "/readyz")

    assert answer.returncode == 1
    assert "does not answer" in answer.stderr
