"""Results of a segmentation of the asynchronous client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from samfleet.client.async_calls import AsyncCalls
from samfleet.client.image_schemas import ImageError
from samfleet.client.results import ResultLines, SegmentResult, frame
from samfleet.client.routes import exports, jobs
from samfleet.client.saving import exported, targets
from samfleet.client.schemas import Job, Run
from samfleet.client.segmenting import Made, removed
from samfleet.client.steps import ask
from samfleet.client.transport import ApiError, ApiUnreachable, Retries

if TYPE_CHECKING:
    import pandas as pd


class AsyncSegmentation:
    """Results of an ended job for `async for`, in the order and with the memory of `Segmentation`."""

    def __init__(
        self,
        client: AsyncCalls,
        job: Job,
        fetch_overlay: Callable[[str, int], bytes],
        temporary: Made | None = None,
    ) -> None:
        self.job = job
        self._client = client
        self._fetch_overlay = fetch_overlay
        self._temporary = temporary

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Remove what `keep=False` says not to keep."""
        if self._temporary is not None:
            await self._client.carry_out(removed(self._temporary))

    @property
    def runs(self) -> Sequence[Run]:
        """Runs of the job, one for each variant and pool, with counts and times."""
        return self.job.runs

    async def __aiter__(self) -> AsyncIterator[SegmentResult]:
        for run in self.runs:
            async for result in self._of_run(run):
                yield result

    def errors(self) -> AsyncIterator[ImageError]:
        """Yield the images that failed."""
        return self._client.every(jobs.job_errors(self.job.id))

    async def to_pandas(self) -> pd.DataFrame:
        """Return a table with one row per mask, as `Segmentation.to_pandas` does."""
        return frame([row async for result in self for row in result.rows()])

    async def formats(self) -> list[str]:
        """Return the names of the formats that the server exports."""
        return [item["name"] for item in (await self._client.carry_out(ask(exports.export_formats())))["items"]]

    async def save(
        self, path: str | Path, form: str = "instances", *, variant: str | None = None, **options: Any
    ) -> list[Path]:
        """Save the masks in a format of the server, as `Segmentation.save` does."""
        wanted = targets(self.runs, Path(path), variant)
        return [await self._client.carry_out(exported(target, form, options)) for target in wanted]

    async def _of_run(self, run: Run) -> AsyncIterator[SegmentResult]:
        lines, retries = ResultLines(run, self._fetch_overlay), Retries(repeatable=True)
        while True:
            lines.begin()
            try:
                async with self._client.stream_results(run.id) as pieces:
                    async for piece in pieces:
                        for result in lines.feed(piece):
                            retries = Retries(repeatable=True)  # a later failure is a new one
                            yield result
            except (ApiUnreachable, ApiError) as error:
                delay = retries.delay(error)
            else:
                return
            await self._client.pause(delay)
