"""Typed calls of the REST API. `docs/api.md` documents routes and bodies."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from samfleet.client.access_calls import AccessCalls
from samfleet.client.calls import EXCHANGE_SECONDS, without_none
from samfleet.client.export_calls import ExportCalls
from samfleet.client.schemas import Dataset, DatasetImage, ImageError, ImageResult, Job, Run
from samfleet.client.transport import ApiError
from samfleet.client.webhook_calls import WebhookCalls
from samfleet.datasets.left_out import LeftOut
from samfleet.regular_files import open_regular

_LISTING_SECONDS = 600  # the server limits listing a folder to two minutes by default (`SAMFLEET_LISTING_TIME`)


class SamfleetClient(AccessCalls, ExportCalls, WebhookCalls):
    """Client of the REST API. Idempotent calls are repeated when the connection fails. Jobs are submitted with an
    idempotency key for that reason.
    """

    def create_directory_dataset(
        self,
        directory: Path,
        *,
        name: str | None = None,
        annotations: Path | None = None,
        detections: Path | None = None,
        prompts: Path | None = None,
        limit: int | None = None,
        **flags: bool,
    ) -> Dataset:
        """Create a dataset of files that the server can read at these paths. `flags` are further fields of the body."""
        body = {
            "source": "directory",
            "directory": str(directory),
            "name": name,
            "annotations_path": str(annotations) if annotations else None,
            "detections_path": str(detections) if detections else None,
            "prompts_path": str(prompts) if prompts else None,
            "limit": limit,
            **{flag: True for flag, value in flags.items() if value},
        }
        return Dataset.model_validate(self._post("/v1/datasets", without_none(body), timeout=_LISTING_SECONDS))

    def create_bucket_dataset(self, url: str, **fields: Any) -> Dataset:
        """Create a dataset of a bucket, which the server lists. `fields` are further fields of the body."""
        return Dataset.model_validate(self._post("/v1/datasets", without_none({"source": "s3", "url": url, **fields})))

    def create_manifest_dataset(self, manifest: str, **fields: Any) -> Dataset:
        """Create a dataset of a manifest that the server reads. `fields` are further fields of the body."""
        body = without_none({"source": "manifest", "manifest": manifest, **fields})
        return Dataset.model_validate(self._post("/v1/datasets", body))

    def upload_source(self, dataset_id: str, kind: str, path: Path, **params: Any) -> None:
        """Fill an open dataset with the images of a `manifest`. If a repeat finds that the dataset is
        no longer open, the first request had succeeded and only its response was lost.
        """
        try:
            self._put_file(f"/v1/datasets/{dataset_id}/{kind}", path, "application/octet-stream", without_none(params))
        except ApiError as error:
            if error.problem_code not in {"dataset_listing", "dataset_sealed", "dataset_failed"}:
                raise

    def create_upload_dataset(
        self, *, name: str | None = None, left_out: Sequence[LeftOut] = (), **fields: Any
    ) -> Dataset:
        body = {"source": "upload", "name": name, "left_out": [asdict(one) for one in left_out] or None, **fields}
        return Dataset.model_validate(self._post("/v1/datasets", without_none(body)))

    def upload_images(self, dataset_id: str, files: Sequence[tuple[str, Path]]) -> None:
        """Send (name in the dataset, file) pairs in one request. The server adds all of them or none. So if a repeat
        fails because the names are taken, the first request had succeeded and only its response was lost.
        """
        attempts = 0

        def attempt() -> None:
            nonlocal attempts
            attempts += 1
            try:
                self._send_files(f"/v1/datasets/{dataset_id}/images", files)
            except ApiError as error:
                if error.problem_code != "file_name_taken" or attempts == 1:
                    raise

        self._transport.repeat(attempt, repeatable=True)

    def upload_annotations(self, dataset_id: str, path: Path) -> None:
        self._put_file(f"/v1/datasets/{dataset_id}/annotations", path)

    def upload_detections(self, dataset_id: str, path: Path) -> None:
        self._put_file(f"/v1/datasets/{dataset_id}/detections", path)

    def upload_prompts(self, dataset_id: str, path: Path) -> None:
        self._put_file(f"/v1/datasets/{dataset_id}/prompts", path)

    def seal_dataset(self, dataset_id: str, *, strict_annotations: bool = False) -> Dataset:
        params = {"strict_annotations": True} if strict_annotations else {}
        route = f"/v1/datasets/{dataset_id}/seal"
        return Dataset.model_validate(
            self._transport.json("POST", route, repeatable=True, params=params, timeout=EXCHANGE_SECONDS)
        )

    def dataset_categories(self, dataset_id: str) -> list[dict[str, Any]]:
        return list(self._get(f"/v1/datasets/{dataset_id}/categories")["items"])

    def dataset(self, dataset_id: str) -> Dataset:
        return Dataset.model_validate(self._get(f"/v1/datasets/{dataset_id}"))

    def datasets(self, **filters: Any) -> Iterator[Dataset]:
        """Yield datasets, newest first. `filters` are parameters of the list, such as `q` and `label`."""
        return map(Dataset.model_validate, self._items("/v1/datasets", without_none(filters)))

    def edit_dataset(self, dataset_id: str, changes: Mapping[str, Any]) -> Dataset:
        """Change fields of a dataset; None removes one (RFC 7396)."""
        return Dataset.model_validate(self._patch(f"/v1/datasets/{dataset_id}", changes))

    def delete_dataset(self, dataset_id: str) -> None:
        self._delete(f"/v1/datasets/{dataset_id}")

    def refresh_dataset(self, dataset_id: str) -> Dataset:
        """Make the next version of a dataset, which the server lists.

        Not repeated: a second request would be refused.
        """
        return Dataset.model_validate(self._post(f"/v1/datasets/{dataset_id}/versions", {"refresh": True}))

    def dataset_versions(self, dataset_id: str) -> Iterator[Dataset]:
        """Yield the versions of a dataset, newest first."""
        return map(Dataset.model_validate, self._items(f"/v1/datasets/{dataset_id}/versions"))

    def dataset_images(self, dataset_id: str) -> Iterator[DatasetImage]:
        """Yield all images in the dataset's order, fetched page by page."""
        return map(DatasetImage.model_validate, self._items(f"/v1/datasets/{dataset_id}/images"))

    def submit_job(
        self,
        dataset_id: str,
        variants: Sequence[str],
        task: Mapping[str, Any],
        *,
        pools: Sequence[str] = (),
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Job:
        """Submit a job. Requests with the same key make one job, however often they are sent.

        `fields` are further fields of the body, such as its name and labels; those that are None are left out.
        """
        body = {
            "dataset_id": dataset_id,
            "variants": list(variants),
            "task": dict(task),
            "pools": list(pools) or None,
            **fields,
        }
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return Job.model_validate(
            self._transport.json("POST", "/v1/jobs", repeatable=True, json=without_none(body), headers=headers)
        )

    def rerun_job(self, job_id: str, **changes: Any) -> Job:
        """Submit a job again as a new one; `changes` are fields of the body, without those that are None."""
        body = {"rerun_of": job_id, **without_none(changes)}
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return Job.model_validate(self._transport.json("POST", "/v1/jobs", repeatable=True, json=body, headers=headers))

    def job(self, job_id: str) -> Job:
        return Job.model_validate(self._get(f"/v1/jobs/{job_id}"))

    def jobs(self, **filters: Any) -> Iterator[Job]:
        """Yield jobs, newest first. `filters` are parameters of the list, such as `state`, `q` and `label`."""
        return map(Job.model_validate, self._items("/v1/jobs", without_none(filters)))

    def edit_job(self, job_id: str, changes: Mapping[str, Any]) -> Job:
        """Change fields of a job; None removes one (RFC 7396)."""
        return Job.model_validate(self._patch(f"/v1/jobs/{job_id}", changes))

    def cancel_job(self, job_id: str) -> Job:
        return Job.model_validate(self._transport.json("POST", f"/v1/jobs/{job_id}/cancel", repeatable=True))

    def pause_job(self, job_id: str) -> Job:
        return Job.model_validate(self._transport.json("POST", f"/v1/jobs/{job_id}/pause", repeatable=True))

    def resume_job(self, job_id: str) -> Job:
        return Job.model_validate(self._transport.json("POST", f"/v1/jobs/{job_id}/resume", repeatable=True))

    def retry_job(self, job_id: str) -> Job:
        """Retry the failures of an ended job. Not repeated: a second request would be refused."""
        return Job.model_validate(self._post(f"/v1/jobs/{job_id}/retry", None))

    def delete_job(self, job_id: str, *, cancel: bool = False, forget_measurements: bool = False) -> None:
        params = {"cancel": cancel, "forget_measurements": forget_measurements}
        self._delete(f"/v1/jobs/{job_id}", params=params)

    def job_history(self, job_id: str) -> Iterator[dict[str, Any]]:
        """Yield the changes of a job, newest first."""
        return self._items(f"/v1/jobs/{job_id}/history")

    def deletions(self, *, kind: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield deleted jobs and datasets, newest first."""
        return self._items("/v1/deletions", without_none({"kind": kind}))

    def job_errors(self, job_id: str) -> Iterator[ImageError]:
        return map(ImageError.model_validate, self._items(f"/v1/jobs/{job_id}/errors"))

    def run(self, run_id: str, *, include_warmup: bool = False) -> Run:
        """Return a run with its stage statistics, by default without warm-up (the first images after a load)."""
        return Run.model_validate(self._get(f"/v1/runs/{run_id}", include_warmup=include_warmup))

    def image_result(self, run_id: str, image_id: int) -> ImageResult:
        return ImageResult.model_validate(self._get(f"/v1/runs/{run_id}/images/{image_id}"))

    def download_results(self, run_id: str, path: Path, *, format_: str = "coco", boxes: str = "pixels") -> None:
        """Download masks. `format_` is `coco`, `instances` or `jsonl`; `boxes` is `pixels` or `official`."""
        self._download(f"/v1/runs/{run_id}/results", path, params={"format": format_, "boxes": boxes})

    def download_overlay(self, run_id: str, image_id: int, path: Path) -> None:
        """Download a PNG of the image with its masks drawn on it."""
        self._download(f"/v1/runs/{run_id}/images/{image_id}/overlay.png", path)

    def report(self, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return `rows` and `parameters` of `GET /v1/reports/…`."""
        answer: dict[str, Any] = self._get(f"/v1/reports/{name}", **params)
        return answer

    def report_csv(self, name: str, params: Mapping[str, Any]) -> str:
        def attempt() -> str:
            with self._transport.stream(f"/v1/reports/{name}", params={**params, "format": "csv"}) as pieces:
                return b"".join(pieces).decode()

        return self._transport.repeat(attempt, repeatable=True)

    def hardware(self) -> list[dict[str, Any]]:
        """Return the items of `GET /v1/hardware`: hardware that has computed results."""
        return list(self._get("/v1/hardware")["items"])

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

    def variants(self) -> list[dict[str, Any]]:
        """Return the items of `GET /v1/variants`: all variants that a job may use."""
        return list(self._get("/v1/variants")["items"])

    def variant_names(self) -> frozenset[str]:
        return frozenset(item["name"] for item in self.variants())

    def create_login_link(self) -> str:
        """Return a path below the API's URL that logs a browser in once."""
        return str(self._post("/v1/login-links", None)["path"])
