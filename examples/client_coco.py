"""Segment a folder with the Python client and save the masks as one COCO file.

python examples/client_coco.py ~/photos masks.json --variant mobile_sam
"""

from __future__ import annotations

import argparse
from pathlib import Path

from samfleet.client import Client


def main() -> None:
    parser = argparse.ArgumentParser(description="Segment a folder and save the masks as a COCO file.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--variant", default="mobile_sam")
    parser.add_argument("--points-per-side", type=int, default=16)
    options = parser.parse_args()
    task = {"kind": "everything", "points_per_side": options.points_per_side}
    with Client() as client:
        results = client.segment(options.folder, options.variant, task=task, on_progress=print)
        for result in results:
            if result.error:
                print(f"{result.file_name}: {result.error.message}")
            else:
                covered = result.masks.any(axis=0).mean() if len(result) else 0.0
                print(f"{result.file_name}: {len(result)} masks, {covered:.0%} covered")
        results.save(options.file, "instances")
    print(f"masks: {options.file}")


if __name__ == "__main__":
    main()
