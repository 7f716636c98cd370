"""`samfleet report html`: a job's report as one HTML file to share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from samfleet_cli.commands.report_options import Asked, asks


@asks(output=False)
def html(
    asked: Asked,
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="The job's id, or its first six characters.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="File to write. Default: JOB.html.", show_default=False)
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=0, max=12, help="Sample images. Default: 4.", show_default=False)
    ] = None,
) -> None:
    """Write a job's report as one HTML file: figures, charts and sample images, without scripts or other files."""
    from samfleet.files import replacing
    from samfleet_cli.commands.report_output import open_api

    path = out or Path(f"{job_id}.html")
    with open_api(asked) as client:
        page = client.job_report(job_id, images=images)
    with replacing(path) as file:
        file.write(page)
    typer.echo(f"{path}: {len(page) / 1024:.0f} KiB")
