"""Pages of the dashboard: one HTML document for all of them, and its static files.

The document has no user data, so it needs no login; its requests to the API do. These routes are not part of the API:
a page accepts any query parameters, because its URL holds the filters.
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
    "/new",
    "/jobs",
    "/jobs/{job_id}",
    "/jobs/{job_id}/images",
    "/runs/{run_id}/images/{image_id}",
    "/reports",
    "/reports/{report}",
    "/compare",
    "/survey",
    "/variants",
    "/advise",
    "/webhooks",
    "/storage",
)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; worker-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

# Swagger UI's style sheet has its icons as data URLs. Images run no code, so they are allowed.
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
    """Add security headers to the dashboard and /docs. `no-cache` makes browsers revalidate files, so that a new
    release is seen at once.
    """

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
    """Serve the same document with status 404; it shows the error to the user."""
    return FileResponse(STATIC / "page.html", status_code=404)


def _home(_request: Request) -> Response:
    return RedirectResponse(f"{PREFIX}/")
