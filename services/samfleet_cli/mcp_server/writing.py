"""Tools that need a key with the scope `submit`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

from mcp.server.mcpserver import Image
from pydantic import Field

from samfleet.client.async_client import AsyncClient
from samfleet.client.create_dataset import Watch, created_dataset
from samfleet.client.images import picture_file
from samfleet.client.local_source import Source
from samfleet_cli.mcp_server.reading import JobId, Limit
from samfleet_cli.mcp_server.values import job_value, prediction_value

Variants = Annotated[list[str], Field(min_length=1, description="Names of variants, which `list_variants` lists.")]
Task = Annotated[
    dict[str, Any] | None,
    Field(description='Task of the job. Default: {"kind": "everything"}, which finds all masks of each image.'),
]
Points = Annotated[list[list[float]] | None, Field(description="Points [x, y] of one object, in pixels.")]
Labels = Annotated[list[int] | None, Field(description="1 (foreground) or 0 (background) for each point.")]
Boxes = Annotated[
    list[list[float]] | None,
    Field(description="Boxes [x0, y0, x1, y1] in pixels, each for a separate object; at most one with points."),
]


class SubmittingTools:
    """Tools that let the server work, or change what it has."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def predict_image(
        self,
        image_path: Annotated[str, Field(description="Image file on the machine of this MCP server.")],
        variant: str,
        points: Points = None,
        labels: Labels = None,
        boxes: Boxes = None,
        limit: Limit = 50,
    ) -> list[Any]:
        """Segment one image now and show its masks on it. Without points and boxes all masks are found.

        Lists the largest masks first. The server stores nothing.
        """
        _name, image = await asyncio.to_thread(picture_file, Path(image_path))
        found = await self._client.predict(image, variant, points=points, labels=labels, boxes=boxes)
        overlay = await asyncio.to_thread(lambda: found.overlay)  # drawn when it is first used
        return [prediction_value(found, limit), Image(data=overlay, format="png")]

    async def create_dataset(
        self,
        folder: Annotated[str, Field(description="Folder of images on the machine of this MCP server.")],
        name: str | None = None,
    ) -> dict[str, Any]:
        """Make a dataset of the images in a folder. The server reads the folder if it can; else it is uploaded."""
        source = Source(Path(folder), name=name)
        dataset = await self._client.carry_out(created_dataset(source, Watch(), upload=False), in_threads=True)
        return dataset.model_dump(mode="json", include={"id", "name", "state", "image_count"})

    async def submit_job(
        self, dataset_id: str, variants: Variants, task: Task = None, name: str | None = None
    ) -> dict[str, Any]:
        """Submit a job that segments all images of a dataset with each variant. `follow_job` waits for it."""
        job = await self._client.submit_job(dataset_id, variants, task or {"kind": "everything"}, name=name)
        return job_value(job)

    async def cancel_job(self, job_id: JobId) -> dict[str, Any]:
        """Cancel a job. Recorded results are kept."""
        return job_value(await self._client.cancel_job(job_id))
