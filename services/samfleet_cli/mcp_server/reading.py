"""Tools that change nothing."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context, Image
from pydantic import Field

from samfleet.client.async_client import AsyncClient
from samfleet_cli.mcp_server.values import first, job_value, variant_value

POLL_SECONDS = 1.0
MOST_SECONDS = 300

Limit = Annotated[int, Field(ge=1, le=200, description="Maximum items to return.")]
JobId = Annotated[str, Field(description="Id of a job, or its first six characters.")]
JobState = Literal["queued", "running", "paused", "completed", "completed_with_errors", "failed", "cancelled"]
Report = Literal["latency", "throughput", "quality", "pareto", "compare", "cost", "advise"]
Filters = dict[str, str | int | float | list[str]]


class ReadingTools:
    """Tools for which a key with the scope `read` is enough."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def list_variants(self) -> dict[str, Any]:
        """List the models that can segment images, with their licences."""
        return {"variants": [variant_value(item) for item in await self._client.variants()]}

    async def list_datasets(
        self, query: Annotated[str | None, Field(description="Part of the name.")] = None, limit: Limit = 20
    ) -> dict[str, Any]:
        """List datasets, newest first."""
        found = await first(self._client.datasets(q=query, limit=limit), limit)
        names = {"id", "name", "state", "source", "image_count", "version", "error"}
        return {"datasets": [one.model_dump(mode="json", include=names) for one in found]}

    async def list_images(self, dataset_id: str, limit: Limit = 50) -> dict[str, Any]:
        """List the first images of a dataset, with the `image_id` that other tools take."""
        found = await first(self._client.dataset_images(dataset_id), limit)
        names = {"image_id", "file_name", "width", "height"}
        return {"images": [one.model_dump(mode="json", include=names) for one in found]}

    async def list_jobs(
        self,
        state: JobState | None = None,
        query: Annotated[str | None, Field(description="Part of the name.")] = None,
        limit: Limit = 20,
    ) -> dict[str, Any]:
        """List jobs, newest first."""
        found = await first(self._client.jobs(state=state, q=query, limit=limit), limit)
        return {"jobs": [job_value(job) for job in found]}

    async def show_job(self, job_id: JobId) -> dict[str, Any]:
        """Show the state, the progress and the runs of a job."""
        return job_value(await self._client.job(job_id))

    async def follow_job(
        self,
        job_id: JobId,
        context: Context,
        seconds: Annotated[float, Field(ge=0, le=MOST_SECONDS, description="Longest wait.")] = 30,
    ) -> dict[str, Any]:
        """Wait until a job has ended, but not longer than `seconds`, and show it. Call it again if it still runs."""
        ends = time.monotonic() + seconds
        while True:
            job = await self._client.job(job_id)
            done = job.counts.succeeded + job.counts.failed
            await context.report_progress(done, job.counts.total, f"{job.state}: {done} of {job.counts.total} images")
            left = ends - time.monotonic()
            if job.is_over or left <= 0:
                return job_value(job)
            await self._client.pause(min(POLL_SECONDS, left))

    async def list_failed_images(self, job_id: JobId, limit: Limit = 50) -> dict[str, Any]:
        """List images of a job that failed, with the reasons."""
        found = await first(self._client.job_errors(job_id), limit)
        return {"images": [one.model_dump(mode="json") for one in found]}

    async def read_report(
        self,
        name: Report,
        filters: Annotated[
            Filters | None, Field(description="Query parameters of the report, such as variant.")
        ] = None,
        limit: Limit = 100,
    ) -> dict[str, Any]:
        """Read a report: measured latency, throughput, quality or cost of variants, or an advice which one to use."""
        report = await self._client.report(name, filters or {})
        if "rows" not in report:
            return report
        return {**report, "rows": report["rows"][:limit], "row_count": len(report["rows"])}

    async def show_overlay(
        self, run_id: Annotated[str, Field(description="Id of a run, which `show_job` lists.")], image_id: int
    ) -> Image:
        """Show an image of a run with its masks drawn on it."""
        return Image(data=await self._client.overlay(run_id, image_id), format="png")
