"""Runs the simulation and prints or writes its result; `benchmarks.fleet` describes it."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.environment import circumstances
from benchmarks.fleet.database import temporary_server
from benchmarks.fleet.growth import measure_growth
from benchmarks.fleet.measure import simulate
from benchmarks.fleet.table import table
from benchmarks.fleet.workload import JOBS_PER_POOL

# MobileSAM with one box on two cores of an Intel Xeon takes 0.83 s an image (docs/benchmarks/README.md). The others are
# assumptions: four and 40 times that speed.
SECONDS_PER_IMAGE = (0.02, 0.2, 0.83)


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    found.add_argument("--pools", type=int, default=6)
    found.add_argument("--images", type=int, default=20_000)
    found.add_argument("--tenants", type=int, default=12)
    found.add_argument("--workers", type=int, default=1, help="of each pool")
    found.add_argument("--slots", type=int, default=4, help="shards that a worker processes at a time")
    found.add_argument(
        "--seconds-per-image", type=float, nargs="+", default=SECONDS_PER_IMAGE, help="in a slot; the pools in turn"
    )
    found.add_argument("--faults", type=float, default=30.0, help="of each worker in an hour of simulated time")
    found.add_argument(
        "--jobs-per-pool", type=int, nargs=3, default=JOBS_PER_POOL, help="small, medium and large jobs of each pool"
    )
    found.add_argument("--variants", type=int, choices=range(1, 4), default=3)
    found.add_argument(
        "--measured-first", action="store_true", help="each pool measures each variant with four images before"
    )
    found.add_argument("--seed", type=int, default=1)
    found.add_argument("--growth", type=int, nargs="*", metavar="SHARDS", help="time the steps on so many shards too")
    found.add_argument("--runs", type=int, nargs="+", default=[100, 1000, 10_000], help="running runs, with --growth")
    found.add_argument("--folder", type=Path, help="parent of the database, removed afterwards; else the system's")
    found.add_argument("--note", default="", help="other work on the machine, for the result")
    found.add_argument("--out", type=Path)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    result: dict[str, Any] = {"circumstances": circumstances(options.note)}
    result["options"] = {name: value for name, value in vars(options).items() if name not in ("out", "folder", "note")}
    with (
        tempfile.TemporaryDirectory(prefix="samfleet-fleet-", dir=options.folder) as name,
        temporary_server(Path(name) / "pg") as server,
    ):
        if options.images:
            result["simulation"] = simulate(server.new_database("simulation"), options)
        if options.growth is not None:
            result["growth"] = measure_growth(server, options.growth, options.runs)
    result["circumstances"]["load_at_end"] = os.getloadavg()
    text = json.dumps(result, indent=2)
    print(table(result))
    if options.out:
        options.out.write_text(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
