"""Results as text for the terminal and as JSON for the repository."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.mask_comparison import EQUAL_IOU, MaskComparison
from benchmarks.results import Pairing, PeakMemory, Ratio, Result, Side, Soak, StreamResult

MIB = 2**20


def print_pairing(pairing: Pairing, peak: float) -> None:
    ours, theirs = pairing.ours, pairing.theirs
    print(f"{pairing.case.name}, {Path(pairing.case.image).name}: {text(pairing.ratio)} faster", flush=True)
    for side in (ours, theirs):
        masks = side.samples[0].masks
        found = "" if masks is None else f", {masks} masks"
        each = f", {side.median_seconds / pairing.case.images:.3f} s an image" if pairing.case.images > 1 else ""
        print(f"  {side.contender.name:<34}{side.median_seconds:9.3f} s{each}{rate(side, peak)}{found}")
    for stage in ours.stages:
        against = ""
        if stage in pairing.stages:
            against = f", against {mean_ms(theirs, stage):.0f} ms: {text(pairing.stages[stage])}"
        print(f"    {stage:<12}{mean_ms(ours, stage):10.0f} ms{stage_rate(ours, stage, peak)}{against}")
    if pairing.masks is not None:
        print(f"    {equal_masks(pairing.masks)}")


def print_memory(memory: PeakMemory) -> None:
    grid = f"{memory.points_per_side}x{memory.points_per_side}"
    print(f"memory, {memory.image}, {grid}: peak {memory.peak_bytes / MIB:.0f} MiB", flush=True)


def print_gate(gate: dict[str, Any]) -> None:
    figures, subject = gate["figures"], gate["subject"]
    print(
        f"{subject['execution']}: gate {'passed' if gate['passed'] else 'failed: ' + '; '.join(gate['findings'])}; "
        f"{figures['agreeing_share']:.1%} of {figures['reference_masks']} masks of {figures['images']} images agree, "
        f"mean IoU {figures['paired_iou']:.4f}, of box prompts {figures['box_iou']:.4f}",
        flush=True,
    )


def print_stream(stream: StreamResult) -> None:
    idle = "" if stream.idle_share is None else f", GPU idle {stream.idle_share:.1%}"
    grid = f"{stream.points_per_side}x{stream.points_per_side}"
    print(
        f"{stream.images} images, {stream.execution}, {grid}: {stream.images_per_second:.2f} images/s{idle}", flush=True
    )


def print_soak(soak: Soak) -> None:
    early, late = soak.early_bytes / MIB, soak.late_bytes / MIB
    print(f"resident after image {soak.early_image}: {early:.0f} MiB, after {soak.images}: {late:.0f} MiB", flush=True)
    print(f"  growth {soak.growth:+.2%}")


def equal_masks(masks: MaskComparison) -> str:
    pairs = ""
    if masks.least_iou is not None and masks.mean_iou is not None:
        pairs = f"; of all pairs the mean IoU is {masks.mean_iou:.4f}, the least {masks.least_iou:.4f}"
    return (
        f"{masks.equal} of {max(masks.ours, masks.theirs)} masks are equal ({masks.share:.1%}) "
        f"at an IoU of {EQUAL_IOU} or more{pairs}"
    )


def text(ratio: Ratio) -> str:
    return f"{ratio.median:.2f} times ({ratio.min:.2f} to {ratio.max:.2f})"


def mean_ms(side: Side, stage: str) -> float:
    return statistics.fmean(side.stage_ms(stage))


def stage_rate(side: Side, stage: str, peak: float) -> str:
    reached = side.stage_gflop_per_second(stage)
    if reached is None:
        return ""
    return f", {side.stage_gflop[stage]:.1f} GFLOP at {reached:.1f} GFLOP/s = {reached / peak:.0%} of the peak"


def rate(side: Side, peak: float) -> str:
    """Return the operations actually run, per second, and their share of the peak."""
    reached = side.gflop_per_second
    if reached is None or side.gflop is None:
        return ""
    return f", {side.gflop:.1f} GFLOP at {reached:.1f} GFLOP/s = {reached / peak:.0%} of the peak"


def write(result: Result, path: Path) -> None:
    """Write the JSON including derived figures, so that a reader needs no code."""
    values: dict[str, Any] = asdict(result)
    for pairing, fields in zip(result.pairings, values["pairings"], strict=True):
        fields["name"] = pairing.case.name
        fields["case"]["image"] = Path(pairing.case.image).name
        for boxed in fields["case"]["boxed"]:
            boxed["image"] = Path(boxed["image"]).name
        if pairing.masks is not None:
            fields["masks"]["share"] = pairing.masks.share
        for side, entry in ((pairing.ours, fields["ours"]), (pairing.theirs, fields["theirs"])):
            entry["median_seconds"] = side.median_seconds
            entry["gflop_per_second"] = side.gflop_per_second
            entry["stage_gflop_per_second"] = {stage: side.stage_gflop_per_second(stage) for stage in side.stages}
    if result.soak is not None:
        values["soak"]["growth"] = result.soak.growth
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=1) + "\n")
