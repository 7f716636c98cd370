"""The client for programs and notebooks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samfleet.client.address import find_api
from samfleet.client.client import SamfleetClient
from samfleet.client.frames import Frames, choice_of
from samfleet.client.images import source_of, with_frames
from samfleet.client.segmentation import Segmentation
from samfleet.client.segmenting import Made, OnProgress, Wish, removed, segmented
from samfleet.client.transport import Transport
from samfleet.errors import SamfleetError

if TYPE_CHECKING:
    from samfleet.client.images import Images


class Client(SamfleetClient):
    """Client of one API. Use it in a `with` statement, or call `close`.

    Without arguments it takes `SAMFLEET_API_URL` and `SAMFLEET_API_KEY`, or else the stack that `samfleet up` runs in
    `state_dir` (by default `SAMFLEET_STATE_DIR`, or `.samfleet` in the working directory). Nothing is sent until the
    first call. Calls raise `ApiError` with the server's stable code in `problem_code`, and `ApiUnreachable` if the
    server does not respond after the retries.
    """

    def __init__(
        self,
        api_url: str | None = None,
        api_key: str | None = None,
        *,
        state_dir: Path | str | None = None,
        transport: Transport | None = None,
    ) -> None:
        folder = Path(state_dir) if state_dir is not None else None
        super().__init__(*find_api(api_url, api_key, folder), transport=transport)
        self._temporary: list[Segmentation] = []

    def close(self) -> None:
        """Remove what segmentations with `keep=False` have made, and close the connections."""
        try:
            while self._temporary:
                self._temporary.pop().close()
        finally:
            super().close()

    def segment(
        self,
        images: Images,
        variants: str | Sequence[str],
        *,
        task: str | Mapping[str, Any] | None = None,
        prompts: str | os.PathLike[str] | None = None,
        prompts_format: str | None = None,
        name: str | None = None,
        pools: Sequence[str] = (),
        upload: bool = False,
        keep: bool = True,
        frame: int | None = None,
        frames: Frames | None = None,
        on_progress: OnProgress = lambda _progress: None,
        **fields: Any,
    ) -> Segmentation:
        """Segment images and return the results when the job has ended.

        `images` is a folder or a file, an `s3://` address that the server may read, a manifest or an archive, a dataset
        or its id, or one or several images: paths, bytes of files, Pillow images, arrays of uint8
        [height, width(, channels)] in RGB. An iterator of images is sent as it goes. A folder that the server can read
        is not sent, unless `upload` is set. `task` is a kind or the API's task object; `prompts`, a prompts file or
        labels in `prompts_format`, are the task if there is none. `fields` are further fields of the job.
        `frame` is the number of one frame of each file, from 0, or `frames` are "all" or `FrameSteps`; videos need one.

        `keep=False` removes the job and the dataset that this call makes, when the result or the client is closed.
        Raises `JobFailed`, `JobCancelled`, `ApiError`, `ApiUnreachable`, `ImagesInvalid` and `PromptsNotSupported`.
        """
        source = with_frames(source_of(images), choice_of(frame, frames))
        wish = Wish.of(variants, task, prompts, prompts_format, name=name, pools=pools, upload=upload, fields=fields)
        made = Made()
        try:
            job = self.carry_out(segmented(source, wish, made, on_progress))
        except BaseException as error:
            if keep:
                note_kept(error, made)
            else:
                self._try_remove(made, error)
            raise
        segmentation = Segmentation(self, job, None if keep else made)
        if not keep:
            self._temporary.append(segmentation)
        return segmentation

    def results(self, job_id: str) -> Segmentation:
        """Return the results of an earlier job, which stays. Of a job that has not ended, what is recorded so far."""
        return Segmentation(self, self.job(job_id))

    def _try_remove(self, made: Made, error: BaseException) -> None:
        try:
            self.carry_out(removed(made))
        except SamfleetError as second:
            error.add_note(f"what was made could not be removed: {second.message}")
            note_kept(error, made)


def note_kept(error: BaseException, made: Made) -> None:
    """Tell in a traceback what stays on the server."""
    if made.job_id is not None:
        error.add_note(f"job {made.job_id} stays on the server; client.results({made.job_id!r}) reads its results")
    if made.dataset_id is not None:
        error.add_note(f"dataset {made.dataset_id} stays on the server")
