"""A PostgreSQL behind a proxy. It crashes and comes back on another port, as after a failover."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from chaos.suite.failure import wait_for
from chaos.suite.surroundings.surrounding import EVERYWHERE, Place, Surroundings
from chaos.suite.surroundings.tcp_proxy import TcpProxy
from fixtures.servers.chaos_stack import ChaosStack
from fixtures.servers.triton import free_ports
from samfleet_cli.local_stack import postgres

READY_SECONDS = 60.0
STOP_SECONDS = 60.0


@contextmanager
def moving_database(place: Place) -> Iterator[Surroundings]:
    """Surroundings whose stack knows only the address of the proxy."""
    proxy, server = TcpProxy(), _Server(place)
    try:
        proxy.switch(server.start())

        def fail_over(_stack: ChaosStack, _target: str) -> bool:
            proxy.switch(None)
            server.crash()
            proxy.switch(server.start())
            return True

        url = postgres.database_url(server.password, proxy.port)
        yield Surroundings({"SAMFLEET_DATABASE_URL": url}, {**EVERYWHERE, "fail over": fail_over})
    finally:
        proxy.close()
        server.crash()


class _Server:
    """The embedded stack's PostgreSQL, run by the suite, on a free port at each start."""

    def __init__(self, place: Place) -> None:
        self.password = secrets.token_urlsafe(24)
        self._data = place.folder / "postgres"
        self._password_file = place.folder / "password"
        self._password_file.write_text(self.password)
        self._log = place.folder / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> int:
        """Start the server, wait until it accepts logins, and return its port."""
        (port,) = free_ports(1)
        initialise, server = postgres.parts(self._data, self._password_file, self.password, port)
        with self._log.open("ab") as log:
            subprocess.run(initialise.argv, check=True, stdout=log, stderr=log)
            self._process = subprocess.Popen(server.argv, env={**os.environ, **server.env}, stdout=log, stderr=log)
        wait_for("the database", lambda: self._answers(port), READY_SECONDS)
        return port

    def crash(self) -> None:
        """End the server without a shutdown checkpoint; its next start recovers from the log."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # "immediate" of postgres(1)
            self._process.wait(STOP_SECONDS)
            self._process = None

    def _answers(self, port: int) -> bool:
        try:
            address = f"host=127.0.0.1 port={port} user={postgres.USER} dbname={postgres.DATABASE}"
            psycopg.connect(address, password=self.password, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True
