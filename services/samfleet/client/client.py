"""Typed calls of the REST API. `docs/api.md` documents routes and bodies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from samfleet.client import downloads
from samfleet.client.access_calls import AccessCalls
from samfleet.client.bulk import acted_on
from samfleet.client.methods import blocking, listing
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
from samfleet.client.values import EXCHANGE_SECONDS, without_none
from samfleet.client.wait import LOG_INTERVAL_SECONDS
from samfleet.client.webhook_calls import WebhookCalls
from samfleet.regular_files import open_regular


class SamfleetClient(AccessCalls, WebhookCalls):
    """Client of the REST API. Idempotent calls are repeated when the connection fails. Jobs are submitted with an
    idempotency key for that reason.
    """

    create_directory_dataset = blocking(of_datasets.create_directory_dataset)
    create_bucket_dataset = blocking(of_datasets.create_bucket_dataset)
    create_manifest_dataset = blocking(of_datasets.create_manifest_dataset)
    create_archive_dataset = blocking(of_datasets.create_archive_dataset)
    create_upload_dataset = blocking(of_datasets.create_upload_dataset)
    upload_images = blocking(of_datasets.upload_images)
    add_images_by_hash = blocking(of_datasets.add_images_by_hash)
    upload_annotations = blocking(of_datasets.upload_annotations)
    upload_detections = blocking(of_datasets.upload_detections)
    upload_prompts = blocking(of_datasets.upload_prompts)
    upload_manifest = blocking(of_datasets.upload_manifest)
    upload_archive = blocking(of_datasets.upload_archive)
    seal_dataset = blocking(of_datasets.seal_dataset)
    dataset_categories = blocking(of_datasets.dataset_categories)
    dataset = blocking(of_datasets.dataset)
    datasets = listing(of_datasets.datasets)
    dataset_sources = blocking(of_datasets.dataset_sources)
    edit_dataset = blocking(of_datasets.edit_dataset)
    delete_dataset = blocking(of_datasets.delete_dataset)
    refresh_dataset = blocking(of_datasets.refresh_dataset)
    extend_dataset = blocking(of_datasets.extend_dataset)
    dataset_versions = listing(of_datasets.dataset_versions)
    dataset_images = listing(of_datasets.dataset_images)

    submit_job = blocking(of_jobs.submit_job)
    estimate_job = blocking(of_jobs.estimate_job)
    rerun_job = blocking(of_jobs.rerun_job)
    job = blocking(of_jobs.job)
    job_report = blocking(of_jobs.job_report)
    jobs = listing(of_jobs.jobs)
    count_jobs = blocking(of_jobs.count_jobs)
    edit_job = blocking(of_jobs.edit_job)
    cancel_job = blocking(of_jobs.cancel_job)
    pause_job = blocking(of_jobs.pause_job)
    resume_job = blocking(of_jobs.resume_job)
    retry_job = blocking(of_jobs.retry_job)
    delete_job = blocking(of_jobs.delete_job)
    job_history = listing(of_jobs.job_history)
    job_log = listing(of_jobs.job_log)
    job_errors = listing(of_jobs.job_errors)
    deletions = listing(of_jobs.deletions)

    predict = blocking(of_predictions.predict)
    current_key = blocking(of_keys.current_key)
    pools = blocking(of_pools.pools)

    run = blocking(of_runs.run)
    run_images = listing(of_runs.run_images)
    image_result = blocking(of_runs.image_result)
    overlay = blocking(of_runs.overlay)
    picture = blocking(of_runs.picture)
    image_annotations = blocking(of_runs.image_annotations)
    image_neighbours = blocking(of_runs.image_neighbours)
    report = blocking(of_runs.report)
    hardware = blocking(of_runs.hardware)
    variants = blocking(of_runs.variants)
    pull_variant = blocking(of_runs.pull_variant)
    variant_pull = blocking(of_runs.variant_pull)
    cancel_pull = blocking(of_runs.cancel_pull)
    variant_names = blocking(of_runs.variant_names)

    job_review = blocking(of_reviews.job_review)
    review_progress = blocking(of_reviews.review_progress)
    next_to_review = blocking(of_reviews.next_to_review)
    review = blocking(of_reviews.review)
    change_review = blocking(of_reviews.change_review)
    review_history = listing(of_reviews.review_history)

    export_formats = blocking(of_exports.export_formats)
    estimate_export = blocking(of_exports.estimate_export)
    create_export = blocking(of_exports.create_export)
    exports = listing(of_exports.exports)
    export = blocking(of_exports.export)
    delete_export = blocking(of_exports.delete_export)

    create_comparison = blocking(of_comparisons.create_comparison)
    comparison = blocking(of_comparisons.comparison)
    comparisons = listing(of_comparisons.comparisons)
    comparison_images = listing(of_comparisons.comparison_images)
    image_comparison = blocking(of_comparisons.image_comparison)
    annotation_comparison = blocking(of_comparisons.annotation_comparison)
    delete_comparison = blocking(of_comparisons.delete_comparison)

    def download_export(self, export: Mapping[str, Any], path: Path) -> None:
        """Download the file of a completed export and compare its SHA-256. Raises `DownloadDamaged`.

        What an interrupted download has written stays beside `path`, and the next call continues there.
        """
        self.carry_out(downloads.download_export(export, path))

    def download_results(self, run_id: str, path: Path, *, format_: str = "coco", boxes: str = "pixels") -> None:
        """Download masks. `format_` is `coco`, `instances` or `jsonl`; `boxes` is `pixels` or `official`."""
        self._download(f"/v1/runs/{run_id}/results", path, params={"format": format_, "boxes": boxes})

    def download_overlay(self, run_id: str, image_id: int, path: Path) -> None:
        """Download a PNG of the image with its masks drawn on it."""
        self._download(f"/v1/runs/{run_id}/images/{image_id}/overlay.png", path)

    def act_on_jobs(self, action: str, job_ids: Sequence[str] | None = None, **fields: Any) -> list[ActedOn]:
        """Cancel, pause, resume, retry, export or delete many jobs, and return what happened to each.

        Name the jobs by their full ids, or give a `filter` with the number of matches that you expect at `most`.
        Further `fields` are those of the request: `export`, `cancel` and `forget_measurements`.
        """
        return self.carry_out(acted_on(action, job_ids, fields))

    def follow_job_log(self, job_id: str, *, level: str | None = None, after: int = 0) -> Iterator[dict[str, Any]]:
        """Yield the lines of a job's log after line `after`, oldest first, until the job has ended."""
        ended = False
        while not ended:
            ended = self.job(job_id).is_over  # asked before the lines, so that the last ones are not missed
            for line in self.job_log(job_id, level=level, after=after):
                yield line
                after = line["id"]
            if not ended:
                self.pause(LOG_INTERVAL_SECONDS)

    def report_csv(self, name: str, params: Mapping[str, Any]) -> str:
        def attempt() -> str:
            with self._transport.stream(f"/v1/reports/{name}", params={**params, "format": "csv"}) as pieces:
                return b"".join(pieces).decode()

        return self._transport.repeat(attempt, repeatable=True)

    def set_price(self, hardware_id: str, per_hour: float, currency: str) -> dict[str, Any]:
        body = {"per_hour": per_hour, "currency": currency}
        answer: dict[str, Any] = self._transport.json(
            "PUT", f"/v1/hardware/{hardware_id}/price", repeatable=True, json=body
        )
        return answer

    def export_measurements(self, path: Path, params: Mapping[str, Any]) -> None:
        self._download("/v1/reports/export", path, params=params, timeout=EXCHANGE_SECONDS)

    def import_measurements(self, path: Path, trust: str | None) -> dict[str, Any]:
        """Import a file. Imports are idempotent, so the request is repeated if its response was lost."""

        def attempt() -> Any:
            with open_regular(path) as file:
                return self._transport.json(
                    "POST",
                    "/v1/reports/import",
                    repeatable=False,
                    files={"file": (path.name, file, "application/gzip")},
                    params=without_none({"trust": trust}),
                    timeout=EXCHANGE_SECONDS,
                )

        answer: dict[str, Any] = self._transport.repeat(attempt, repeatable=True)
        return answer

    def sites(self) -> dict[str, Any]:
        """Return `this` site and, in `items`, the sites with imported measurements."""
        answer: dict[str, Any] = self._get("/v1/sites")
        return answer

    def forget_site(self, name: str) -> None:
        self._delete(f"/v1/sites/{quote(name, safe='')}")

    def create_login_link(self) -> str:
        """Return a path below the API's URL that logs a browser in once."""
        return str(self._post("/v1/login-links", None)["path"])
