"""Entry point of the server: `python -m samfleet_api --host 127.0.0.1 --port 8080`."""

from __future__ import annotations

import argparse
import resource
from collections.abc import Sequence

import uvicorn
from fastapi import FastAPI

from samfleet_api.app import create_app

HEADER_BYTES = 2**16  # limit of the request line and all headers together
GRACE_SECONDS = 5  # for open requests when the server is stopped


def server_config(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    """Configure uvicorn without its server header and without proxy headers: the app handles those itself, according to
    `SAMFLEET_TRUSTED_PROXIES`.
    """
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m samfleet_api", description="Serve the REST API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args(argv)
    _allow_many_files()
    uvicorn.Server(server_config(create_app(), options.host, options.port)).run()


def _allow_many_files() -> None:
    """Raise the limit of open files, which is often 1024: each uploaded file and each connection needs one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
