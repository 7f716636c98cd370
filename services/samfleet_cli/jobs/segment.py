"""Implementation of `samfleet segment`: from images to result files, by the REST API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from samfleet.client.client import SamfleetClient
from samfleet.client.create_dataset import PromptedSource, create_dataset
from samfleet.client.local_source import Source
from samfleet.client.schemas import SHOWN_ID, Job
from samfleet.client.server_sources import ServerSource
from samfleet.client.transport import ApiError
from samfleet.client.wait import follow_job
from samfleet.datasets.left_out import describe
from samfleet.errors import SamfleetError
from samfleet.variants.catalogue import unknown_variant
from samfleet_cli.connection import ApiChoice, connect_or_start, prepare
from samfleet_cli.jobs.output_folder import follow_command, require_out, said_if_not_written
from samfleet_cli.jobs.progress import Display
from samfleet_cli.jobs.result_files import Results, write_results


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Requested segmentation. `task` is the API's task object.

    `fields` are further fields of the job; those that are None are left out.
    """

    source: Source | ServerSource | PromptedSource
    variants: Sequence[str]
    task: Mapping[str, Any]
    out: Path
    pools: Sequence[str] = ()
    upload: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    force: bool = False


def start_job(client: SamfleetClient, wanted: Segmentation, display: Display) -> Job:
    _require_variants(client, wanted.variants)
    dataset = create_dataset(
        client, wanted.source, upload=wanted.upload, on_progress=display.uploading, on_listing=display.listing
    )
    display.say(f"dataset {dataset.id}: {dataset.image_count} images")
    if dataset.left_out:
        display.say(f"left out: {describe(dataset.left_out)}")
    if dataset.coverage is not None:
        display.say(f"annotations: {dataset.coverage}")
    try:
        return client.submit_job(dataset.id, wanted.variants, wanted.task, pools=wanted.pools, **wanted.fields)
    except ApiError as refusal:
        if refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            _drop_unused(client, dataset.id, display)
        raise


def _drop_unused(client: SamfleetClient, dataset_id: str, display: Display) -> None:
    """Delete the dataset of a rejected job: nothing else uses it."""
    try:
        client.delete_dataset(dataset_id)
    except SamfleetError as error:
        display.say(f"unused dataset {dataset_id} could not be deleted: {error.message}")


def _require_variants(client: SamfleetClient, names: Sequence[str]) -> None:
    """Reject misspelt names before images are uploaded."""
    known = client.variant_names()
    for name in names:
        if name not in known:
            raise unknown_variant(name, known)


def finish_job(client: SamfleetClient, job_id: str, out: Path, display: Display) -> tuple[Job, Results]:
    """Wait for a job and write its files. For a failed or cancelled job, they have the recorded results."""
    display.say(f"job {job_id}")
    display.say(
        f"dashboard {client.api_url}/dashboard/jobs/{job_id} (`samfleet open {job_id[:SHOWN_ID]}` logs a browser in)"
    )
    job = follow_job(client, job_id, display.job)
    with said_if_not_written(job_id, out):
        return job, write_results(client, job, out)


def segment(choice: ApiChoice, wanted: Segmentation, display: Display) -> tuple[Job, Results]:
    """Run a segmentation. `out` is checked before anything starts. Ctrl-C leaves the job running and prints how to
    resume.
    """
    require_out(wanted.out, wanted.variants, force=wanted.force)
    prepare(choice, wanted.variants)
    with display, connect_or_start(choice, display.say) as connection:
        job = start_job(connection.client, wanted, display)
        try:
            return finish_job(connection.client, job.id, wanted.out, display)
        except KeyboardInterrupt:
            display.say(interrupted(job.id, wanted, temporary=connection.temporary))
            raise


def interrupted(job_id: str, wanted: Segmentation, *, temporary: bool) -> str:
    state = (
        "interrupted: the job is kept and continues at the next `samfleet up`"
        if temporary
        else "interrupted: the job continues"
    )
    return (
        f"{state}\n"
        f"  {follow_command(job_id, wanted.out, force=wanted.force)}   waits for it and writes the files\n"
        f"  samfleet jobs cancel {job_id}   cancels it"
    )
