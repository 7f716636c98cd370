"""The asynchronous client."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samfleet.client import downloads
from samfleet.client.address import find_api
from samfleet.client.async_calls import AsyncCalls, in_this_loop
from samfleet.client.async_methods import async_listing, awaited
from samfleet.client.async_segmentation import AsyncSegmentation
from samfleet.client.async_transport import AsyncTransport
from samfleet.client.bulk import acted_on
from samfleet.client.client import SamfleetClient
from samfleet.client.frames import Frames, choice_of
from samfleet.client.images import source_of, with_frames
from samfleet.client.routes import comparisons as of_comparisons
from samfleet.client.routes import datasets as of_datasets
from samfleet.client.routes import exports as of_exports
from samfleet.client.routes import jobs as of_jobs
from samfleet.client.routes import keys as of_keys
from samfleet.client.routes import pools as of_pools
from samfleet.client.routes import predictions as of_predictions
from samfleet.client.routes import reviews as of_reviews
from samfleet.client.routes import runs as of_runs
from samfleet.client.schemas import ActedOn
from samfleet.client.segmenting import Made, OnProgress, Wish, removed, segmented
from samfleet.client.sync_client import note_kept
from samfleet.client.wait import LOG_INTERVAL_SECONDS
from samfleet.errors import SamfleetError

if TYPE_CHECKING:
    from samfleet.client.images import Images


class AsyncClient(AsyncCalls):
    """Asynchronous client of one API, for one event loop. Use it in an `async with` statement, or await `close`.

    It finds the API, repeats requests and raises errors as `Client` does. Tenants, webhooks and sites are calls
    of `Client` alone.
    """

    create_directory_dataset = awaited(of_datasets.create_directory_dataset)
    create_bucket_dataset = awaited(of_datasets.create_bucket_dataset)
    create_manifest_dataset = awaited(of_datasets.create_manifest_dataset)
    create_archive_dataset = awaited(of_datasets.create_archive_dataset)
    create_upload_dataset = awaited(of_datasets.create_upload_dataset)
    upload_images = awaited(of_datasets.upload_images)
    add_images_by_hash = awaited(of_datasets.add_images_by_hash)
    upload_annotations = awaited(of_datasets.upload_annotations)
    upload_detections = awaited(of_datasets.upload_detections)
    upload_prompts = awaited(of_datasets.upload_prompts)
    upload_manifest = awaited(of_datasets.upload_manifest)
    upload_archive = awaited(of_datasets.upload_archive)
    seal_dataset = awaited(of_datasets.seal_dataset)
    dataset_categories = awaited(of_datasets.dataset_categories)
    dataset = awaited(of_datasets.dataset)
    datasets = async_listing(of_datasets.datasets)
    dataset_sources = awaited(of_datasets.dataset_sources)
    edit_dataset = awaited(of_datasets.edit_dataset)
    delete_dataset = awaited(of_datasets.delete_dataset)
    refresh_dataset = awaited(of_datasets.refresh_dataset)
    extend_dataset = awaited(of_datasets.extend_dataset)
    dataset_versions = async_listing(of_datasets.dataset_versions)
    dataset_images = async_listing(of_datasets.dataset_images)

    submit_job = awaited(of_jobs.submit_job)
    estimate_job = awaited(of_jobs.estimate_job)
    rerun_job = awaited(of_jobs.rerun_job)
    job = awaited(of_jobs.job)
    job_report = awaited(of_jobs.job_report)
    jobs = async_listing(of_jobs.jobs)
    count_jobs = awaited(of_jobs.count_jobs)
    edit_job = awaited(of_jobs.edit_job)
    cancel_job = awaited(of_jobs.cancel_job)
    pause_job = awaited(of_jobs.pause_job)
    resume_job = awaited(of_jobs.resume_job)
    retry_job = awaited(of_jobs.retry_job)
    delete_job = awaited(of_jobs.delete_job)
    job_history = async_listing(of_jobs.job_history)
    job_log = async_listing(of_jobs.job_log)
    job_errors = async_listing(of_jobs.job_errors)
    deletions = async_listing(of_jobs.deletions)

    predict = awaited(of_predictions.predict)
    current_key = awaited(of_keys.current_key)
    pools = awaited(of_pools.pools)

    run = awaited(of_runs.run)
    run_images = async_listing(of_runs.run_images)
    image_result = awaited(of_runs.image_result)
    overlay = awaited(of_runs.overlay)
    picture = awaited(of_runs.picture)
    image_annotations = awaited(of_runs.image_annotations)
    image_neighbours = awaited(of_runs.image_neighbours)
    report = awaited(of_runs.report)
    hardware = awaited(of_runs.hardware)
    variants = awaited(of_runs.variants)
    pull_variant = awaited(of_runs.pull_variant)
    variant_pull = awaited(of_runs.variant_pull)
    cancel_pull = awaited(of_runs.cancel_pull)
    variant_names = awaited(of_runs.variant_names)

    job_review = awaited(of_reviews.job_review)
    review_progress = awaited(of_reviews.review_progress)
    next_to_review = awaited(of_reviews.next_to_review)
    review = awaited(of_reviews.review)
    change_review = awaited(of_reviews.change_review)
    review_history = async_listing(of_reviews.review_history)

    export_formats = awaited(of_exports.export_formats)
    estimate_export = awaited(of_exports.estimate_export)
    create_export = awaited(of_exports.create_export)
    exports = async_listing(of_exports.exports)
    export = awaited(of_exports.export)
    delete_export = awaited(of_exports.delete_export)

    create_comparison = awaited(of_comparisons.create_comparison)
    comparison = awaited(of_comparisons.comparison)
    comparisons = async_listing(of_comparisons.comparisons)
    comparison_images = async_listing(of_comparisons.comparison_images)
    image_comparison = awaited(of_comparisons.image_comparison)
    annotation_comparison = awaited(of_comparisons.annotation_comparison)
    delete_comparison = awaited(of_comparisons.delete_comparison)

    def __init__(
        self,
        api_url: str | None = None,
        api_key: str | None = None,
        *,
        state_dir: Path | str | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        self._address = find_api(api_url, api_key, Path(state_dir) if state_dir is not None else None)
        super().__init__(*self._address, transport=transport)
        self._temporary: list[AsyncSegmentation] = []

    async def close(self) -> None:
        """Remove what segmentations with `keep=False` have made, and close the connections."""
        try:
            while self._temporary:
                await self._temporary.pop().close()
        finally:
            await super().close()

    async def act_on_jobs(self, action: str, job_ids: Sequence[str] | None = None, **fields: Any) -> list[ActedOn]:
        """Carry out an action on many jobs, as `Client.act_on_jobs` does."""
        return await self.carry_out(acted_on(action, job_ids, fields))

    async def follow_job_log(
        self, job_id: str, *, level: str | None = None, after: int = 0
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the lines of a job's log, as `Client.follow_job_log` does."""
        ended = False
        while not ended:
            ended = (await self.job(job_id)).is_over
            async for line in self.job_log(job_id, level=level, after=after):
                yield line
                after = line["id"]
            if not ended:
                await self.pause(LOG_INTERVAL_SECONDS)

    async def download_export(self, export: Mapping[str, Any], path: Path) -> None:
        """Download the file of a completed export, as `Client.download_export` does."""
        await self.carry_out(downloads.download_export(export, path))

    async def segment(
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
    ) -> AsyncSegmentation:
        """Segment images and return the results when the job has ended. Arguments and errors are those of
        `Client.segment`. Files are hashed, and an iterator of images is advanced, in other threads; `on_progress` is
        called in the event loop, which also reads the files while they are sent.
        """
        source = with_frames(source_of(images), choice_of(frame, frames))
        wish = Wish.of(variants, task, prompts, prompts_format, name=name, pools=pools, upload=upload, fields=fields)
        made = Made()
        try:
            flow = segmented(source, wish, made, in_this_loop(on_progress))
            job = await self.carry_out(flow, in_threads=True)
        except BaseException as error:
            if keep:
                note_kept(error, made)
            else:
                await self._try_remove(made, error)
            raise
        segmentation = AsyncSegmentation(self, job, self.blocking_overlay, None if keep else made)
        if not keep:
            self._temporary.append(segmentation)
        return segmentation

    async def results(self, job_id: str) -> AsyncSegmentation:
        """Return the results of an earlier job, as `Client.results` does."""
        return AsyncSegmentation(self, await self.job(job_id), self.blocking_overlay)

    def blocking_overlay(self, run_id: str, image_id: int) -> bytes:
        """Fetch an overlay for a notebook, which cannot await what it displays. `overlay` is the same to await."""
        with SamfleetClient(*self._address) as client:
            return client.overlay(run_id, image_id)

    async def _try_remove(self, made: Made, error: BaseException) -> None:
        try:
            await self.carry_out(removed(made))
        except SamfleetError as second:
            error.add_note(f"what was made could not be removed: {second.message}")
            note_kept(error, made)
