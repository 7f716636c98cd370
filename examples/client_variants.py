"""Segment the same images with several variants, and print their masks and times side by side.

python examples/client_variants.py ~/photos mobile_sam edge_sam
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

from samfleet.client import Client


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare variants on the images of a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("variants", nargs="+")
    parser.add_argument("--points-per-side", type=int, default=16)
    options = parser.parse_args()
    task = {"kind": "everything", "points_per_side": options.points_per_side}
    masks: defaultdict[str, dict[str, int]] = defaultdict(dict)
    # What this makes on the server is removed at the end of the block.
    with Client() as client, client.segment(options.folder, options.variants, task=task, keep=False) as results:
        for result in results:
            masks[result.file_name][result.variant] = len(result)
        print("masks", *options.variants, sep="\t")
        for name, found in masks.items():
            print(name, *(found[variant] for variant in options.variants), sep="\t")
        for run in results.runs:
            stages = client.run(run.id, include_warmup=True).stages or {}
            times = ", ".join(f"{name} {stage.mean_ms:.0f} ms" for name, stage in stages.items())
            print(f"{run.variant}: {run.images_per_second or 0:.1f} images/s; {times}")


if __name__ == "__main__":
    main()
