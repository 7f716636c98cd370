"""Runs the suite, prints its seed and its tables, and exits with 1 if a check found a fault."""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from chaos.suite.failure import SuiteFailed
from chaos.suite.inputs import write_pictures, write_variants
from chaos.suite.report import strikes, summary
from chaos.suite.scenario_run import Result, folders_of, run_scenario
from chaos.suite.scenarios import REFERENCE, SCENARIOS
from chaos.suite.stack import Folders
from chaos.suite.surroundings.surrounding import NotPossibleHere
from samfleet_cli.local_stack.stack import StackDidNotStart

MOST_SEED = 1_000_000
MOST_FAULTS = 20  # printed of one scenario


def main(argv: list[str] | None = None) -> int:
    options = _parse(argv)
    for number in (signal.SIGINT, signal.SIGTERM):  # a background job of a shell ignores the first
        signal.signal(number, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("SAMFLEET_")]:
        del os.environ[name]
    os.environ["OMP_NUM_THREADS"] = "1"
    print(f"seed {options.seed}, {options.images} images; repeat it with make chaos SEED={options.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="samfleet-chaos-"))
    shared = Folders(folder / "pictures", folder / "variants", folder / "weights", folder)
    write_pictures(shared.pictures, options.images)
    write_variants(shared.variants, shared.weights)
    names = [REFERENCE, *(name for name in SCENARIOS if name in options.only and name != REFERENCE)]
    results, left_out = _run_all(names, options.seed, options.images, shared)
    print("\n".join(["", *summary(results, left_out)]), flush=True)
    if len(results) + len(left_out) < len(names) or any(result.faults for result in results):
        print(f"the states and logs of the stacks are in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def _parse(argv: list[str] | None) -> argparse.Namespace:
    listed = "; ".join(f"{name}: {scenario.says}" for name, scenario in SCENARIOS.items())
    parser = argparse.ArgumentParser(prog="make chaos", description=f"{__doc__} Scenarios: {listed}.")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(MOST_SEED), help="default: a random one")
    parser.add_argument("--images", type=int, default=2000, help="images of the job; it has two runs of each")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=SCENARIOS,
        default=list(SCENARIOS),
        metavar="SCENARIO",
        help=f"only these scenarios, after {REFERENCE}: {', '.join(SCENARIOS)}",
    )
    return parser.parse_args(argv)


def _run_all(names: list[str], seed: int, images: int, shared: Folders) -> tuple[list[Result], dict[str, str]]:
    results: list[Result] = []
    left_out: dict[str, str] = {}
    for name in names:
        print(f"\n{name}: {SCENARIOS[name].says}", flush=True)
        reference = results[0].exports if results else None
        try:
            result = run_scenario(name, seed, images, folders_of(shared, name), reference)
        except NotPossibleHere as error:
            left_out[name] = str(error)
            print(f"left out: {error}", flush=True)
            continue
        except (SuiteFailed, StackDidNotStart) as error:
            print(f"failed: {error}", flush=True)
            if not results:  # without a reference nothing can be compared
                break
            continue
        results.append(result)
        lines = strikes(result) if result.struck else ()
        print("\n".join([*lines, f"{result.seconds:.0f} s, {len(result.faults)} faults"]), flush=True)
        print("\n".join(result.faults[:MOST_FAULTS]), flush=True)
    return results, left_out


if __name__ == "__main__":
    sys.exit(main())
