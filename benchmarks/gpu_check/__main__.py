"""Checks a bare GPU machine in nine minutes: `python -m benchmarks.gpu_check --out DIR`.

Exit codes: 0 every step passed, 1 a step did not, 2 wrong usage.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from benchmarks.gpu_check import PACKAGES, ROOT
from benchmarks.gpu_check.options import parse
from benchmarks.gpu_check.recorder import write_json
from benchmarks.gpu_check.running import Run, child_command
from benchmarks.gpu_check.steps import BY_NAME
from benchmarks.gpu_check.summary import summary, table
from benchmarks.gpu_check.wheels import site_of, unpack_wheels


def main(words: list[str] | None = None) -> int:
    options = parse(words, list(BY_NAME))
    begun = time.monotonic()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    unpack_wheels(options)
    path = [str(site_of(options)), str(ROOT), *PACKAGES, os.environ.get("PYTHONPATH", "")]
    variables = {**os.environ, "PYTHONPATH": ":".join(filter(None, path)), "PYTHONUNBUFFERED": "1"}
    variables.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on shared cores
    results = []
    for result in Run(options, child_command(options), variables).results([BY_NAME[name] for name in options.steps]):
        results.append(result)
        print("\n".join(table([result])), flush=True)
    whole = summary(results, time.monotonic() - begun)
    write_json(out / "summary.json", whole)
    verdict = "passed" if whole["passed"] else "FAILED"
    print(f"\n{verdict} in {whole['seconds']} s; {len(results)} steps, written to {out}")
    return 0 if whole["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
