"""A TCP proxy on a fixed port whose target can change. A change closes all open connections."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 1 << 16
CONNECT_SECONDS = 5.0


class TcpProxy:
    """Forwards connections to 127.0.0.1:`target`. Without a target it closes each at once."""

    def __init__(self) -> None:
        self._target: int | None = None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def switch(self, target: int | None) -> None:
        """Set the port of the target and close all open connections."""
        with self._lock:
            self._target = target
            connections = tuple(self._open)
            self._open.clear()
        for connection in connections:
            _close(connection)

    def close(self) -> None:
        _close(self._listener)
        self.switch(None)

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:  # the listener is closed
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        target = self._target
        try:
            if target is None:
                raise ConnectionRefusedError
            server = socket.create_connection((LOOPBACK, target), CONNECT_SECONDS)
        except OSError:
            _close(client)
            return
        server.settimeout(None)
        with self._lock:
            is_current = target == self._target
            if is_current:
                self._open |= {client, server}
        if not is_current:
            _close(client)
            _close(server)
            return
        threading.Thread(target=self._copy, args=(server, client), daemon=True).start()
        self._copy(client, server)

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        """Copy bytes until one side closes, then close both."""
        with suppress(OSError):  # closed by the other thread, or by `switch`
            while data := source.recv(CHUNK_BYTES):
                sink.sendall(data)
        with self._lock:
            self._open -= {source, sink}
        _close(source)
        _close(sink)


def _close(connection: socket.socket) -> None:
    """Close a socket in a way that wakes a thread which waits in it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
