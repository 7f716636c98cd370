from __future__ import annotations

from prometheus_client import start_http_server
from sqlalchemy import Engine

from samfleet.db.pool_metrics import PoolCollector
from samfleet.errors import InvalidInput
from samfleet.metrics import exposition


class MetricsPortTaken(InvalidInput):
    """The worker cannot listen at its metrics address; set SAMFLEET_METRICS_PORT to a free port, or to 0."""

    code = "metrics_port_taken"


class MetricsServer:
    """HTTP server of a worker's `/metrics`, on a separate port and thread; workers serve no other HTTP."""

    def __init__(self, engine: Engine, host: str, port: int) -> None:
        try:
            self._server, self._thread = start_http_server(port, host, exposition(PoolCollector(engine)))
        except OSError as error:
            raise MetricsPortTaken(f"{MetricsPortTaken.__doc__} ({host}:{port}: {error.strerror})") from error
        self.url = f"http://{host}:{self._server.server_port}/metrics"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
