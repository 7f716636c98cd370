"""Tables of a result file, for the documentation: `python -m benchmarks.tables docs/benchmarks/engine-….json`.

The first table is that of docs/benchmarks/README.md, the lines after it are the README's.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = {
    "transformers": "transformers' heads",
    "plain": "the plain reference",
    "official": "the official package",
    "ultralytics": "ultralytics",
    "pipeline": "transformers' pipeline",
}
ALLOCATORS = ("default", "tuned")
IN_README = ("official", "ultralytics", "pipeline")

Row = tuple[str, str, str]  # case, image, opponent
Pairing = dict[str, Any]


def rows(result: dict[str, Any]) -> dict[Row, dict[str, Pairing]]:
    """Return the fp32 pairings by case and opponent, then by the opponent's allocator."""
    found: dict[Row, dict[str, Pairing]] = {}
    for pairing in result["pairings"]:
        if pairing["ours"]["contender"]["execution"] == "fp32":
            theirs = pairing["theirs"]["contender"]
            image = "" if pairing["case"]["kind"] == "boxes" else pairing["case"]["image"]
            found.setdefault((pairing["name"], image, theirs["path"]), {})[theirs["allocator"]] = pairing
    return found


def comparison_table(result: dict[str, Any]) -> Iterator[str]:
    """Yield Markdown: how many times faster the engine is, and the share of equal masks."""
    yield "| case | engine, an image | against | opponent's default allocator | same tuned allocator | equal masks |"
    yield "|---|---|---|---|---|---|"
    for (case, image, opponent), by_allocator in rows(result).items():
        best = next(iter(by_allocator.values()))
        cells = [ratio(by_allocator.get(allocator)) for allocator in ALLOCATORS]
        shown = f"{case}, {image}" if image else case
        seconds = f"{seconds_an_image(best, 'ours'):.2f} s"
        yield f"| {shown} | {seconds} | {NAMES[opponent]} | {cells[0]} | {cells[1]} | {equal(best)} |"


def stage_table(result: dict[str, Any]) -> Iterator[str]:
    """Yield Markdown: the engine's time, work and speed in each stage, once per case."""
    peak = result["matrix_peak_gflops"]["fp32"]
    yield f"| case | stage | ms | GFLOP | GFLOP/s | share of the peak of {peak:.0f} |"
    yield "|---|---|---|---|---|---|"
    shown: set[tuple[str, str, str]] = set()
    for (case, image, _), by_allocator in rows(result).items():
        ours = next(iter(by_allocator.values()))["ours"]
        for stage, milliseconds, gflop in work(ours):
            if (case, image, stage) not in shown:
                speed = gflop / milliseconds * 1e3
                figures = f"{gflop:.1f} | {speed:.1f} | {speed / peak:.0%}" if gflop else " |  | "
                name = f"{case}, {image}" if image else case
                yield f"| {name} | {stage} | {milliseconds:.0f} | {figures} |"
                shown.add((case, image, stage))


def work(side: dict[str, Any]) -> Iterator[tuple[str, float, float]]:
    """Yield stage, mean milliseconds and GFLOP; a case without stages is one, if its work was counted."""
    samples = side["samples"]
    for stage in samples[0]["stages_ms"]:
        milliseconds = sum(sample["stages_ms"][stage] for sample in samples) / len(samples)
        if milliseconds:
            yield stage, milliseconds, side.get("stage_gflop", {}).get(stage, 0.0)
    if side["gflop"] is not None:
        yield "whole", side["median_seconds"] * 1e3, side["gflop"]


def readme_lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield sentences for the README, one per case and program that users would pick instead."""
    environment = result["environment"]
    machine = f"{environment['hardware']['device_name']}, {result['variant']}, commit {environment['commit']}"
    for (case, image, opponent), by_allocator in rows(result).items():
        if opponent in IN_README:
            pairings = list(by_allocator.values())
            name = f"{case}, {image}" if image else case
            ours = seconds_an_image(pairings[0], "ours")
            times = " / ".join(f"{seconds_an_image(pairing, 'theirs'):.2f}" for pairing in pairings)
            ratios = " / ".join(f"{pairing['ratio']['median']:.1f}" for pairing in pairings)
            masks = f"; {equal(pairings[0])} masks are equal" if equal(pairings[0]) else ""
            yield (
                f"- {name}: {ours:.2f} s an image, {NAMES[opponent]} {times} s ({' / '.join(by_allocator)} allocator): "
                f"**{ratios} times as fast**{masks} ({machine})."
            )


def seconds_an_image(pairing: Pairing, side: str) -> float:
    seconds: float = pairing[side]["median_seconds"]
    return seconds / max(1, len(pairing["case"].get("boxed", ())))


def ratio(pairing: Pairing | None) -> str:
    if pairing is None:
        return ""
    figures = pairing["ratio"]
    return f"**{figures['median']:.2f}** ({figures['min']:.2f} to {figures['max']:.2f})"


def equal(pairing: Pairing) -> str:
    masks = pairing.get("masks")
    return "" if masks is None else f"{masks['equal']} of {max(masks['ours'], masks['theirs'])}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path)
    result = json.loads(parser.parse_args().result.read_text())
    for part in (comparison_table(result), stage_table(result), readme_lines(result)):
        print("\n".join(part), end="\n\n")


if __name__ == "__main__":
    main()
