"""Implementation of `samfleet demo`: photographs from scikit-image, one real job, and an HTML page."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from samfleet.client.client import SamfleetClient
from samfleet.client.local_source import Source
from samfleet.client.schemas import Job, Run
from samfleet.errors import NotFound
from samfleet.files import write_text
from samfleet.wire.stages import STAGES
from samfleet_cli.connection import ApiChoice, connect_or_start, prepare
from samfleet_cli.jobs.gallery import Gallery, GalleryImage, render_gallery
from samfleet_cli.jobs.output_folder import require_out
from samfleet_cli.jobs.progress import Display
from samfleet_cli.jobs.result_files import Results, result_name
from samfleet_cli.jobs.segment import Segmentation, finish_job, start_job

# Photographs in scikit-image's wheel (others are downloaded on first use), with the credits of skimage.data.
PHOTOGRAPHS = {
    "astronaut.png": "Eileen Collins, NASA, public domain",
    "chelsea.png": "Stefan van der Walt, CC0",
    "coffee.png": "Rachel Michetti, CC0",
    "hubble_deep_field.jpg": "NASA, public domain",
    "rocket.jpg": "SpaceX, public domain",
}
# Further images with many objects, for measurements rather than for display.
OBJECTS = ("coins.png", "ihc.png", "motorcycle_left.png", "motorcycle_right.png", "retina.jpg")
VARIANT = "mobile_sam"


class PhotographsMissing(NotFound):
    """The demo needs photographs from scikit-image, which is not installed; `pip install 'samfleet[demo]'`."""

    code = "photographs_missing"


@dataclass(frozen=True, slots=True)
class Demonstration:
    """Result of the demo. `api_url` is empty if the stack ended with the command."""

    job: Job
    results: Results
    page: Path
    api_url: str


def copy_photographs(folder: Path, more: Sequence[str] = ()) -> list[Path]:
    """Copy the photographs, and the images of scikit-image named in `more`, unchanged to `folder`."""
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise PhotographsMissing
    data = Path(spec.origin).parent / "data"
    folder.mkdir(parents=True, exist_ok=True)
    found = [data / name for name in (*PHOTOGRAPHS, *more) if (data / name).is_file()]
    if not found:
        raise PhotographsMissing(f"{data} has none of {', '.join(PHOTOGRAPHS)}; install scikit-image 0.24 to 0.26")
    return [Path(shutil.copyfile(path, folder / path.name)) for path in found]


def demonstrate(choice: ApiChoice, out: Path, points_per_side: int, display: Display) -> Demonstration:
    """Segment the photographs with the whole stack and write the results and the page to `out`."""
    require_out(out, (VARIANT,), force=True)  # the demo owns this folder
    images = out / "images"
    copy_photographs(images)
    task = {"kind": "everything", "points_per_side": points_per_side}
    prepare(choice, (VARIANT,))
    with display, connect_or_start(choice, display.say) as connection:
        client = connection.client
        job = start_job(client, Segmentation(Source(images), (VARIANT,), task, out), display)
        job, results = finish_job(client, job.id, out, display)
        gallery = _gallery(client, job, results, out)
        page = out / "index.html"
        write_text(page, render_gallery(gallery))
        return Demonstration(job, results, page, "" if connection.temporary else client.api_url)


def _gallery(client: SamfleetClient, job: Job, results: Results, out: Path) -> Gallery:
    run = results.runs[0]
    name = f"{result_name(run, results.runs)}.coco.json"
    masks = Counter(int(mask["image_id"]) for mask in json.loads((out / name).read_bytes()))
    dataset = json.loads((out / "dataset.json").read_bytes())
    errors = {error["image_id"]: error["message"] for error in results.summary["errors"]}
    return Gallery(
        title=f"Photographs segmented by {run.variant}",
        job_id=job.id,
        run=results.summary["runs"][0],
        images=[_image(client, run, image, masks, errors, out) for image in dataset["images"]],
        links=(
            (name, "all masks as COCO results"),
            ("dataset.json", "the images in COCO format; pycocotools loads both"),
            ("summary.json", "counts, rate, stage times, errors"),
        ),
    )


def _image(
    client: SamfleetClient,
    run: Run,
    image: Mapping[str, Any],
    masks: Mapping[int, int],
    errors: Mapping[int, str],
    out: Path,
) -> GalleryImage:
    name, image_id = image["file_name"], image["id"]
    known = {
        "file_name": name,
        "original": f"images/{name}",
        "width": image["width"],
        "height": image["height"],
        "masks": masks.get(image_id, 0),
        "credit": PHOTOGRAPHS.get(name, ""),
    }
    if image_id in errors:
        return GalleryImage(**known, error=errors[image_id])
    overlay = out / "overlays" / f"{Path(name).stem}.png"
    client.download_overlay(run.id, image_id, overlay)
    times = client.image_result(run.id, image_id).stages
    return GalleryImage(
        **known,
        overlay=overlay.read_bytes(),
        overlay_file=f"overlays/{overlay.name}",
        stages={stage: times[stage].ms for stage in STAGES if stage in times},
    )
