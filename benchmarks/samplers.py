"""Compares the samplers of SegEvery: prompts decoded, masks found, and how well they fit the annotated objects.

    python -m benchmarks.samplers IMAGES instances.json --weights .samfleet/weights/mobile_sam.pt --images 6

Grids of fewer points are measured too: a sampler is worth its code only if it beats the grid with as many prompts.
AR@1000 is COCO's, without categories. Recall of the full grid's masks is averaged over the same IoU thresholds. Seconds
are of the decode and postprocess stages; for meaningful times, run nothing else. With `--write` each image is saved
as soon as it is measured, and a repeated command goes on with the images that are missing.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from benchmarks.environment import circumstances
from samfleet.quality.evaluation import IOU_THRESHOLDS, Evaluation
from samfleet.quality.protocol import CLASS_AGNOSTIC, Found, Truth
from samfleet.quality.segmentation import annotation_rle
from samfleet.variants.catalogue import get_variant
from samfleet.variants.task import EverythingParameters
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.serving.engine import Engine, EngineSettings

GRID = "grid"
NEARLY_EQUAL = 0.9
MOST_MASKS = CLASS_AGNOSTIC.limits[-1]
Tasks = Mapping[str, EverythingParameters]
Measured = dict[str, Any]  # of one image: its id, the machine's load, and what each sampler found
COLUMNS = ("sampler", "prompts decoded", "masks", "AR@1000", "mean IoU of annotated", "AR of the grid's masks",
           "at IoU ≥ 0.9", "seconds")  # fmt: skip


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """An image file with its instances that are not crowds."""

    image_id: int
    file: bytes
    truths: list[Truth]


def tasks_of(points_per_side: int) -> Tasks:
    grid = EverythingParameters(points_per_side=points_per_side)
    adaptive, salient = replace(grid, sampler="adaptive"), replace(grid, sampler="salient")
    return {
        GRID: grid,
        "grid, 3/4 of the points per side": replace(grid, points_per_side=points_per_side * 3 // 4),
        "grid, 3/5 of the points per side": replace(grid, points_per_side=points_per_side * 3 // 5),
        "grid, 1/2 of the points per side": replace(grid, points_per_side=points_per_side // 2),
        "hierarchical": replace(grid, sampler="hierarchical"),
        "adaptive": adaptive,
        "adaptive, similarity_thresh 0.7": replace(adaptive, similarity_thresh=0.7),
        "salient": salient,
        "salient, salient_window 5": replace(salient, salient_window=5),
    }


def best_ious(masks: Sequence[Any], wanted: Sequence[Any]) -> list[float]:
    if not masks or not wanted:
        return [0.0] * len(wanted)
    ious: NDArray[np.float64] = coco_mask.iou(list(masks), list(wanted), [0] * len(wanted))
    best: list[float] = ious.max(axis=0).tolist()
    return best


def codes(reply: SegmentReply) -> list[dict[str, Any]]:
    return [{"size": list(mask.size), "counts": mask.counts} for mask in reply.masks]


def recall(reply: SegmentReply, truths: Sequence[Truth]) -> float:
    """Return COCO's AR@1000 of one image, without categories."""
    evaluation = Evaluation(CLASS_AGNOSTIC)
    masks = zip(reply.masks, codes(reply), strict=True)
    evaluation.add(0, truths, [Found(0, mask.predicted_iou, mask.area, code) for mask, code in masks])
    return evaluation.recall("all", MOST_MASKS) or 0.0


def annotated_images(folder: Path, truth: COCO, count: int) -> Iterator[AnnotatedImage]:
    """Yield the first images with instances, by image id."""
    found = 0
    for image in truth.loadImgs(sorted(truth.getImgIds())):
        instances = truth.loadAnns(truth.getAnnIds(image["id"], iscrowd=False))
        if found == count or not instances:
            continue
        found += 1
        size = image["height"], image["width"]
        truths = [
            Truth(0, instance["area"], iscrowd=False, shape=annotation_rle(instance["segmentation"], *size))
            for instance in instances
        ]
        yield AnnotatedImage(image["id"], (folder / image["file_name"]).read_bytes(), truths)


def measure(engine: Engine, tasks: Tasks, image: AnnotatedImage) -> Measured:
    found: Measured = {"image_id": image.image_id, "instances": len(image.truths), "load": os.getloadavg()[0]}
    annotated = [truth.shape for truth in image.truths]
    of_grid: list[dict[str, Any]] = []
    for name, task in tasks.items():
        ((_, reply),) = engine.segment([SegmentRequest(image.file, task)])
        if name == GRID:
            of_grid = codes(reply)
        stages = reply.report.stages
        found[name] = {
            "prompts": reply.report.prompts_decoded,
            "masks": len(reply.masks),
            "seconds": (stages["decode"].amortised_ms + stages["postprocess"].amortised_ms) / 1e3,
            "ar_1000": recall(reply, image.truths),
            "of_annotated": [round(iou, 4) for iou in best_ious(codes(reply), annotated)],
            "of_grid": [round(iou, 4) for iou in best_ious(codes(reply), of_grid)],
        }
    return found


def rows(images: Sequence[Measured], tasks: Sequence[str]) -> list[str]:
    """Return a line of the table for each task; AR is weighted by instances, as over one dataset."""
    grid = [image[GRID] for image in images]
    weights = [image["instances"] for image in images]
    lines = []
    for name in tasks:
        parts = [image[name] for image in images]
        of_grid = np.concatenate([part["of_grid"] for part in parts])
        prompts, seconds = (sum(part[key] for part in parts) for key in ("prompts", "seconds"))
        cells = [
            name,
            f"{prompts} ({prompts / sum(part['prompts'] for part in grid):.0%})",
            str(sum(part["masks"] for part in parts)),
            f"{np.average([part['ar_1000'] for part in parts], weights=weights):.3f}",
            f"{np.concatenate([part['of_annotated'] for part in parts]).mean():.3f}",
            f"{np.mean([(of_grid >= threshold).mean() for threshold in IOU_THRESHOLDS]):.3f}",
            f"{(of_grid >= NEARLY_EQUAL).mean():.3f}",
            f"{seconds:.1f} ({seconds / sum(part['seconds'] for part in grid):.0%})",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def resumed(path: Path | None, settings: Measured) -> tuple[Measured, list[Measured]]:
    """Return the conditions and images of an earlier run with these settings, or the present conditions and none."""
    if path is not None and path.exists():
        known = json.loads(path.read_text())
        if known["settings"] != settings:
            raise SystemExit(f"{path} was measured with {known['settings']}, not {settings}; name another file")
        return known["conditions"], known["images"]
    return circumstances("shared machine, at low priority; seconds are of a loaded machine"), []


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the images in the annotations")
    parser.add_argument("annotations", type=Path, help="COCO instances")
    parser.add_argument("--weights", type=Path, required=True, help="the checkpoint of mobile_sam")
    parser.add_argument("--images", type=int, default=6)
    parser.add_argument("--points-per-side", type=int, default=32)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--only", nargs="+", metavar="SAMPLER", help="rows of the table besides the grid; default: all")
    parser.add_argument("--write", type=Path, metavar="FILE", help="JSON file of the results, continued if it exists")
    return parser.parse_args()


def main() -> None:
    given = options()
    tasks = {
        name: task
        for name, task in tasks_of(given.points_per_side).items()
        if name == GRID or given.only is None or name in given.only
    }
    settings = {
        "variant": "mobile_sam",
        "device": given.device,
        "threads": given.threads,
        "tasks": {name: task.to_dict() for name, task in tasks.items()},
    }
    conditions, images = resumed(given.write, settings)  # read at the start, as the commit may change during the run
    engine = Engine(
        get_variant("mobile_sam"), given.weights, EngineSettings(device=given.device, threads=given.threads)
    )
    known = {image["image_id"] for image in images}
    for image in annotated_images(given.folder, COCO(str(given.annotations)), given.images):
        if image.image_id not in known:
            images.append(measure(engine, tasks, image))
            print(f"image {image.image_id}: {images[-1][GRID]['masks']} masks of the grid", flush=True)
            if given.write:
                text = {"settings": settings, "conditions": conditions, "images": images}
                given.write.write_text(json.dumps(text, indent=1) + "\n")
    print(f"commit {conditions['commit']}, {engine.hardware['device_name']}, {len(images)} images, MobileSAM")
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    print("\n".join(rows(images, list(tasks))))
    engine.close()


if __name__ == "__main__":
    main()
