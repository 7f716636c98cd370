"""Result files of `samfleet segment`. `docs/cli.md` describes each field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from samfleet.client.client import SamfleetClient
from samfleet.client.image_schemas import ImageError
from samfleet.client.schemas import Job, Run, StageTimes
from samfleet.files import write_json
from samfleet_cli.jobs.output_folder import DATASET_FILE, FORMS, SUMMARY_FILE

UNCLASSIFIED = [{"id": 1, "name": "object"}]  # category of unclassified masks
FEW_IMAGES = 20  # with fewer, p90 is no lower than the second slowest image


@dataclass(frozen=True, slots=True)
class Results:
    """Written files, and the runs as the server reported them at the end."""

    runs: tuple[Run, ...]
    summary: dict[str, Any]
    files: tuple[Path, ...]


def write_results(client: SamfleetClient, job: Job, out: Path) -> Results:
    """Download all results of an ended job. `summary.json` is written last: if it exists, the others are complete."""
    timed = [_run_with_stages(client, run.id) for run in job.runs]
    runs = tuple(run for run, _warmup in timed)
    files = []
    for run in runs:
        for form in FORMS:
            path = out / f"{result_name(run, runs)}.{form}.json"
            client.download_results(run.id, path, format_=form)
            files.append(path)
    write_json(out / DATASET_FILE, _dataset(client, job.dataset_id, runs))
    summary = summarise(job, timed, list(client.job_errors(job.id)))
    write_json(out / SUMMARY_FILE, summary)
    return Results(runs, summary, (*files, out / DATASET_FILE, out / SUMMARY_FILE))


def result_name(run: Run, runs: Sequence[Run]) -> str:
    """Return the variant's name, with the pool if the job ran on several."""
    several = len({other.pool for other in runs}) > 1
    return f"{run.variant}@{run.pool}" if several else run.variant


def summarise(job: Job, runs: Sequence[tuple[Run, bool]], errors: Sequence[ImageError]) -> dict[str, Any]:
    """Build the contents of `summary.json`. `runs` are pairs of a run and whether its times include the warm-up."""
    by_id = {run.id: run for run, _warmup in runs}
    return {
        "job_id": job.id,
        "counts": job.counts.model_dump(include={"total", "succeeded", "failed"}),
        **({"annotations": asdict(job.annotations)} if job.annotations else {}),
        "runs": [_run(run, warmup) for run, warmup in runs],
        "errors": [
            {
                "variant": by_id[error.run_id].variant,
                "pool": by_id[error.run_id].pool,
                **error.model_dump(include={"image_id", "file_name", "code", "message", "stage"}),
            }
            for error in errors
        ],
    }


def hardware_of(run: Mapping[str, Any]) -> str:
    """Describe the hardware of a run in `summary.json`, with the execution unless it is plain fp32."""
    return ", ".join(_hardware_name(**hardware) for hardware in run["hardware"])


def _hardware_name(device_name: str, precision: str = "fp32", compilation: str = "none", **_: object) -> str:
    execution = precision if compilation == "none" else f"{precision}+{compilation}"
    return device_name if execution == "fp32" else f"{device_name} ({execution})"


def stages_note(run: Mapping[str, Any]) -> str:
    """Describe the number of images behind the times of a run in `summary.json`, with a warning if it is low."""
    timed = max((times["n"] for times in run["stages"].values()), default=0)
    if run["stages_include_warmup"]:
        words = [f"times of {_images(timed)}, all from the slower warm-up after a load"]
    else:
        left_out = run["images"] - run["failed"] - timed
        words = [f"times of {_images(timed)}"]
        words += [f"without {_images(left_out)} of the warm-up after a load"] if left_out > 0 else []
    if timed < FEW_IMAGES:
        words.append("with so few images, p90 and p99 mainly reflect the slowest one")
    return "; ".join(words)


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _run_with_stages(client: SamfleetClient, run_id: str) -> tuple[Run, bool]:
    """Return the run and whether its times include the warm-up. Warm-up images count only if there are no others,
    because otherwise a small first job would have no times at all.
    """
    run = client.run(run_id)
    return (run, False) if run.stages else (client.run(run_id, include_warmup=True), True)


def _run(run: Run, warmup: bool) -> dict[str, Any]:
    summary = {
        "variant": run.variant,
        "pool": run.pool,
        "state": run.state,
        "provenance": run.provenance.model_dump(mode="json"),
        "hardware": [hardware.model_dump() for hardware in run.hardware],
        "images": run.counts.total,
        "failed": run.counts.failed,
        "masks": run.masks,
        "images_per_second": run.images_per_second,
        "stages": {name: _stage(times) for name, times in (run.stages or {}).items()},
        "stages_include_warmup": warmup,
    }
    if run.error is not None:
        summary["error"] = run.error.model_dump()
    if run.gates:
        summary["gates"] = [gate.model_dump() for gate in run.gates]
    if run.quality is not None:
        summary["quality"] = run.quality.model_dump()
    if run.evaluation:
        summary["evaluation"] = [figure.model_dump() for figure in run.evaluation]
    if run.quality_error is not None:
        summary["quality_error"] = run.quality_error.model_dump()
    return summary


def _stage(times: StageTimes) -> dict[str, float]:
    return times.model_dump(include={"n", "mean_ms", "p50_ms", "p90_ms", "p99_ms"})


def _dataset(client: SamfleetClient, dataset_id: str, runs: Sequence[Run]) -> dict[str, Any]:
    """Build the COCO dataset for the results, which are bare lists. Its `info` names the models that produced them.
    Unreadable images have width and height 0.
    """
    images = [
        {
            "id": image.image_id,
            "width": image.width or 0,
            "height": image.height or 0,
            "file_name": image.file_name,
        }
        for image in client.dataset_images(dataset_id)
    ]
    categories = client.dataset_categories(dataset_id)
    models = [{"variant": run.variant, **run.provenance.model_dump(mode="json")} for run in runs]
    info = {"description": "Images segmented by samfleet", "models": models}
    return {"info": info, "images": images, "annotations": [], "categories": categories or UNCLASSIFIED}
