"""Results of a segmentation, read from the server while they are iterated."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from samfleet.client.client import SamfleetClient
from samfleet.client.image_schemas import ImageError
from samfleet.client.results import ResultLines, SegmentResult, frame
from samfleet.client.saving import Target, exported, targets
from samfleet.client.schemas import Job, Run
from samfleet.client.segmenting import Made, removed
from samfleet.client.transport import ApiError, ApiUnreachable, Retries

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 3  # overlays of a segmentation in a notebook


class Segmentation:
    """Results of an ended job: one for each image and variant, variant by variant in the order of the dataset.

    Each loop reads them from the server again, and only one is in memory. With `keep=False` the job and its
    dataset are removed by `close`, by a `with` statement, or when the client is closed.
    """

    def __init__(self, client: SamfleetClient, job: Job, temporary: Made | None = None) -> None:
        self.job = job
        self._client = client
        self._temporary = temporary

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what `keep=False` says not to keep."""
        if self._temporary is not None:
            self._client.carry_out(removed(self._temporary))

    @property
    def runs(self) -> Sequence[Run]:
        """Runs of the job, one for each variant and pool, with counts and times; `client.run` has those of stages."""
        return self.job.runs

    def __iter__(self) -> Iterator[SegmentResult]:
        for run in self.runs:
            yield from self._of_run(run)

    def errors(self) -> Iterator[ImageError]:
        """Yield the images that failed."""
        return self._client.job_errors(self.job.id)

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with one row per mask, without pixels. Failed images have no rows; `errors` lists them."""
        return frame([row for result in self for row in result.rows()])

    def formats(self) -> list[str]:
        """Return the names of the formats that the server exports."""
        return [item["name"] for item in self._client.export_formats()["items"]]

    def save(
        self, path: str | Path, form: str = "instances", *, variant: str | None = None, **options: Any
    ) -> list[Path]:
        """Save the masks in a format of the server, such as `instances` (COCO); `formats` lists them.

        With several runs, or if `path` is a folder, each run becomes a file in it, named after the variant. Else `path`
        is the file. `options` are those of exports, such as `min_area`. Returns the files.
        """
        return [self._saved(target, form, options) for target in targets(self.runs, Path(path), variant)]

    def _saved(self, target: Target, form: str, options: Mapping[str, Any]) -> Path:
        return self._client.carry_out(exported(target, form, options))

    def _of_run(self, run: Run) -> Iterator[SegmentResult]:
        lines, retries = ResultLines(run, self._client.overlay), Retries(repeatable=True)
        while True:
            lines.begin()
            try:
                with self._client.stream_results(run.id) as pieces:
                    for piece in pieces:
                        for result in lines.feed(piece):
                            retries = Retries(repeatable=True)  # a later failure is a new one
                            yield result
            except (ApiUnreachable, ApiError) as error:
                delay = retries.delay(error)
            else:
                return
            self._client.pause(delay)

    def _repr_html_(self) -> str:
        return notebook_view(self.job, islice(self, _SHOWN))


def notebook_view(job: Job, results: Iterator[SegmentResult]) -> str:
    """Return the counts of a job and its first overlays as HTML."""
    rows = "".join(
        f"<tr><td>{escape(run.variant)}</td><td>{run.counts.succeeded}</td><td>{run.counts.failed}</td>"
        f"<td>{run.masks}</td></tr>"
        for run in job.runs
    )
    head = "<tr><th>variant</th><th>images</th><th>failed</th><th>masks</th></tr>"
    pictures = "".join(
        f'<img width="320" title="{escape(one.file_name)}" '
        f'src="data:image/png;base64,{base64.b64encode(one.overlay).decode("ascii")}">'
        for one in results
        if one.error is None
    )
    return f"<table>{head}{rows}</table>{pictures}"
