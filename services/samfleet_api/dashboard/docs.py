"""`/docs`: Swagger UI from an installed package. It works offline and runs no scripts from other hosts."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

PATH = "/docs"
PAGE = Path(__file__).parent / "static" / "docs.html"


def add_docs(app: FastAPI) -> None:
    app.add_route(PATH, _page, include_in_schema=False)
    app.mount(f"{PATH}/static", StaticFiles(directory=_assets()))


def _page(_request: Request) -> Response:
    return FileResponse(PAGE)


def _assets() -> Path:
    """Locate the package's static files without importing it."""
    spec = find_spec("fastapi_offline")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("fastapi-offline, which has the files of /docs, is missing; install samfleet[api]")
    return Path(spec.origin).parent / "static"
