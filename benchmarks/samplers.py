"""Compares the samplers of SegEvery: prompts decoded, masks found, and the lost share of the dense grid's result.

    python -m benchmarks.samplers IMAGES instances.json --weights .samfleet/weights/mobile_sam.pt --images 6

Recall of the grid's masks is averaged over the IoU thresholds 0.50, 0.55, … 0.95, like COCO's average recall. Seconds
are of the decode and postprocess stages; for meaningful times, run nothing else.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from benchmarks.environment import commit
from samfleet.quality.segmentation import annotation_rle
from samfleet.variants.catalogue import get_variant
from samfleet.variants.task import EverythingParameters, Prompt
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.serving.engine import Engine, EngineSettings

GRID = "grid"
THRESHOLDS = np.arange(0.5, 0.96, 0.05)
NEARLY_EQUAL = 0.9
Tasks = Mapping[str, EverythingParameters]


@dataclass(slots=True)
class Tally:
    """Sums over images; IoUs are of each of the grid's masks, or annotated instances, with the best-fitting mask."""

    prompts: int = 0
    masks: int = 0
    seconds: float = 0.0
    of_grid: list[float] = field(default_factory=list)
    of_annotated: list[float] = field(default_factory=list)

    def add(self, reply: SegmentReply, grid: SegmentReply, annotated: Sequence[Any]) -> None:
        self.prompts += reply.report.prompts_decoded
        self.masks += len(reply.masks)
        stages = reply.report.stages
        self.seconds += (stages["decode"].amortised_ms + stages["postprocess"].amortised_ms) / 1e3
        self.of_grid += best_ious(codes(reply), codes(grid))
        self.of_annotated += best_ious(codes(reply), annotated)

    def row(self, name: str, grid: Tally) -> str:
        recall = np.mean([np.mean(np.array(self.of_grid) >= threshold) for threshold in THRESHOLDS])
        again = np.mean(np.array(self.of_grid) >= NEARLY_EQUAL)
        cells = [
            name,
            f"{self.prompts} ({self.prompts / grid.prompts:.0%})",
            str(self.masks),
            f"{recall:.3f}",
            f"{again:.3f}",
            f"{np.mean(self.of_annotated):.3f}",
            f"{self.seconds:.1f} ({self.seconds / grid.seconds:.0%})",
        ]
        return f"| {' | '.join(cells)} |"


def tasks_of(points_per_side: int) -> Tasks:
    two_rounds = EverythingParameters(points_per_side=points_per_side, sampler="hierarchical")
    return {
        GRID: EverythingParameters(points_per_side=points_per_side),
        "hierarchical": two_rounds,
        "hierarchical, high_score_thresh 4": replace(two_rounds, high_score_thresh=4.0),
        "hierarchical, hierarchical_coarse_factor 2": replace(two_rounds, hierarchical_coarse_factor=2),
        "object_aware, annotated boxes": EverythingParameters(sampler="object_aware", boxes_from="annotations"),
    }


def best_ious(masks: Sequence[Any], wanted: Sequence[Any]) -> list[float]:
    if not masks or not wanted:
        return [0.0] * len(wanted)
    ious: NDArray[np.float64] = coco_mask.iou(list(masks), list(wanted), [0] * len(wanted))
    best: list[float] = ious.max(axis=0).tolist()
    return best


def codes(reply: SegmentReply) -> list[dict[str, Any]]:
    return [{"size": list(mask.size), "counts": mask.counts} for mask in reply.masks]


def annotated_images(folder: Path, truth: COCO, count: int) -> Iterator[tuple[bytes, list[Any], list[Prompt]]]:
    """Yield the first images with instances: file, run lengths and box prompts of the instances that are not crowds."""
    found = 0
    for image in truth.loadImgs(sorted(truth.getImgIds())):
        instances = truth.loadAnns(truth.getAnnIds(image["id"], iscrowd=False))
        if found == count or not instances:
            continue
        found += 1
        size = image["height"], image["width"]
        boxes = [Prompt(box=(x, y, x + w, y + h)) for x, y, w, h in (instance["bbox"] for instance in instances)]
        masks = [annotation_rle(instance["segmentation"], *size) for instance in instances]
        yield (folder / image["file_name"]).read_bytes(), masks, boxes


def measure(engine: Engine, tasks: Tasks, images: Iterator[tuple[bytes, list[Any], list[Prompt]]]) -> dict[str, Tally]:
    tallies: dict[str, Tally] = defaultdict(Tally)
    for number, (file, annotated, boxes) in enumerate(images):
        replies = {}
        for name, task in tasks.items():
            ((_, replies[name]),) = engine.segment([SegmentRequest(file, task, tuple(boxes) if task.prompted else ())])
            tallies[name].add(replies[name], replies[GRID], annotated)
        print(f"image {number + 1}: {len(replies[GRID].masks)} masks of the grid", flush=True)
    return tallies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the images in the annotations")
    parser.add_argument("annotations", type=Path, help="COCO instances")
    parser.add_argument("--weights", type=Path, required=True, help="the checkpoint of mobile_sam")
    parser.add_argument("--images", type=int, default=6)
    parser.add_argument("--points-per-side", type=int, default=32)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    measured = commit()  # read at the start, as it may change during the run
    settings = EngineSettings(device=given.device, threads=given.threads)
    engine = Engine(get_variant("mobile_sam"), given.weights, settings)
    images = annotated_images(given.folder, COCO(str(given.annotations)), given.images)
    tallies = measure(engine, tasks_of(given.points_per_side), images)
    print(f"commit {measured}, {engine.hardware['device_name']}, {given.images} images, MobileSAM")
    print("| sampler | prompts decoded | masks | AR of grid's masks | at IoU ≥ 0.9 | mean IoU of annotated | seconds |")
    print("|---|---|---|---|---|---|---|")
    for name, tally in tallies.items():
        print(tally.row(name, tallies[GRID]))
    engine.close()


if __name__ == "__main__":
    main()
