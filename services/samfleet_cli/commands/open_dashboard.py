"""`samfleet open`: open the dashboard in a browser, logged in."""

from __future__ import annotations

import os
import sys
from typing import Annotated
from urllib.parse import quote

import typer

from samfleet_cli.commands.options import ApiKey, ApiUrl


def open_dashboard(
    job_id: Annotated[
        str | None, typer.Argument(metavar="[JOB]", help="Id of a job, to open its page.", show_default=False)
    ] = None,
    browser: Annotated[
        bool | None,
        typer.Option(
            "--browser/--no-browser",
            help="Start a browser. Default: only with a graphical display and a terminal.",
            metavar="",
            show_default=False,
        ),
    ] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Print a link that logs a browser in to the dashboard, and open it. It works once, within five minutes."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        page = f"/dashboard/jobs/{client.job(job_id).id}" if job_id else "/dashboard/"
        link = f"{client.api_url}{client.create_login_link()}&next={quote(page, safe='')}"
    typer.echo(link)
    if _has_screen() if browser is None else browser:
        import webbrowser

        webbrowser.open(link)


def _has_screen() -> bool:
    """Return whether there is a graphical display. Without one, Python would start a text browser."""
    shown = sys.platform == "darwin" or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    return shown and sys.stdout.isatty()
