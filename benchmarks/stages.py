"""Where an image's time goes: the engine alone, without servers, stage by stage and grid by grid.

    python benchmarks/stages.py --weights .samfleet/weights --grids 8 16 --repeat 3

Prints a table and writes a result file that names the machine, the versions and the commit. Times on a shared machine
are upper bounds; compare only figures of one file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from samfleet.masks.wire import SegmentRequest
from samfleet.variants.catalogue import get_variant
from samfleet.variants.task import EverythingParameters
from samfleet_models.engine import Engine, EngineSettings

STAGES = ("preprocess", "encode", "decode", "postprocess")


@dataclass(frozen=True, slots=True)
class Measurement:
    """Milliseconds of one stage of one image, over the repetitions; `masks` is what came out of the image."""

    variant: str
    image: str
    points_per_side: int
    stage: str
    samples_ms: tuple[float, ...]
    masks: int

    @property
    def median_ms(self) -> float:
        return statistics.median(self.samples_ms)


def photographs() -> list[Path]:
    from skimage import data

    folder = Path(data.__file__).parent
    return [folder / name for name in ("astronaut.png", "coffee.png", "chelsea.png") if (folder / name).is_file()]


def measure(engine: Engine, images: Sequence[Path], grids: Sequence[int], repeat: int) -> Iterator[Measurement]:
    for path in images:
        for grid in grids:
            request = SegmentRequest(path.read_bytes(), EverythingParameters(points_per_side=grid))
            replies = [reply for _ in range(repeat + 1) for _, reply in engine.segment([request])][1:]  # first: warm-up
            for stage in STAGES:
                samples = tuple(reply.report.stages[stage].amortised_ms for reply in replies)
                yield Measurement(engine.record.name, path.name, grid, stage, samples, len(replies[0].masks))


def environment(engine: Engine) -> dict[str, object]:
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)  # noqa: S607 - the git on PATH is meant
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"commit": commit.stdout.strip(), "measured_at": now, "hardware": engine.hardware}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", default="mobile_sam")
    parser.add_argument("--weights", type=Path, default=Path(".samfleet/weights"))
    parser.add_argument("--images", type=Path, nargs="*", help="default: photographs of scikit-image")
    parser.add_argument("--grids", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/stages.json"))
    return parser.parse_args()


def main() -> None:
    options = arguments()
    record = get_variant(options.variant)
    engine = Engine(record, options.weights / record.checkpoint.filename, EngineSettings(device=options.device))
    rows = []
    print(f"{'image':<16}{'grid':>6}{'stage':>14}{'median ms':>12}{'masks':>7}")
    for row in measure(engine, options.images or photographs(), options.grids, options.repeat):
        print(f"{row.image:<16}{row.points_per_side:>6}{row.stage:>14}{row.median_ms:>12.1f}{row.masks:>7}", flush=True)
        rows.append({**asdict(row), "median_ms": row.median_ms})
    result = {"benchmark": "stages", "environment": environment(engine), "measurements": rows}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
