"""The dashboard's pages: one document for all, which reads its address and asks the API, and the files that it uses.

The document holds nothing of anybody, so it needs no login; what it asks for does. These are no routes of the API:
a page takes any parameters, because filters live in its address.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from starlette.datastructures import MutableHeaders
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = "/dashboard"
STATIC = Path(__file__).parent / "static"
PAGES = (
    "/",
    "/login",
    "/jobs/{job_id}",
    "/runs/{run_id}/images/{image_id}",
    "/reports",
    "/reports/{report}",
    "/variants",
)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

# Swagger UI has its icons inside its style sheet. An image runs nothing, so it may come from there.
DOCS_HEADERS = {
    "Content-Security-Policy": HEADERS["Content-Security-Policy"].replace("img-src 'self'", "img-src 'self' data:")
}


def add_dashboard(app: FastAPI) -> None:
    for path in PAGES:
        app.add_route(PREFIX + path, _page, include_in_schema=False)
    app.add_route("/", _home, include_in_schema=False)
    app.mount(f"{PREFIX}/static", StaticFiles(directory=STATIC))
    app.add_route(f"{PREFIX}/{{unknown:path}}", _no_page, include_in_schema=False)
    app.add_middleware(DashboardHeaders)


class DashboardHeaders:
    """On all below the prefix, and on /docs. Files are asked about each time, so that a new release is seen at once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS | (DOCS_HEADERS if scope["path"].startswith("/docs") else {}))
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        ours = scope["type"] == "http" and scope["path"].startswith((f"{PREFIX}/", "/docs"))
        await self._app(scope, receive, send_with_headers if ours else send)


def _page(_request: Request) -> Response:
    return FileResponse(STATIC / "page.html")


def _no_page(_request: Request) -> Response:
    """The same document, which says that there is no such page: a person looks at this."""
    return FileResponse(STATIC / "page.html", status_code=404)


def _home(_request: Request) -> Response:
    return RedirectResponse(f"{PREFIX}/")
