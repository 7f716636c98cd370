"""Wait for weights that another process fetches: `python -m samfleet_cli.local_stack.await_weights mobile_sam`.

The pods of a pool run it before Triton starts, while a Job fills the volume that they share.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from samfleet.config import Settings
from samfleet.errors import SamfleetError
from samfleet.variants.catalogue import add_variants_of, get_record
from samfleet.variants.record import VariantRecord
from samfleet.variants.weights.verify import WeightsMissing, has_weights

POLL_SECONDS = 2.0


def wait_for_weights(
    records: Sequence[VariantRecord],
    weights_dir: Path,
    seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when the files of all variants are in the folder, with the right sizes; loading checks their hashes.

    Raises `WeightsMissing`, with the names, once `seconds` have passed.
    """
    deadline, reported = clock() + seconds, False
    while missing := [record.name for record in records if not has_weights(weights_dir, record)]:
        if clock() >= deadline:
            names = " ".join(missing)
            raise WeightsMissing(
                f"{weights_dir} has no weights of {names} after {seconds:g} s; fetch them into this folder with "
                f"`samfleet variants pull {names}`, or read why the process that fetches them failed"
            )
        if not reported:
            sys.stderr.write(f"waiting for weights of {' '.join(missing)} in {weights_dir}\n")
            reported = True
        sleep(POLL_SECONDS)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m samfleet_cli.local_stack.await_weights", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0, help="longest wait; 3600 by default")
    parser.add_argument("variants", nargs="*", metavar="VARIANT")
    options = parser.parse_args(argv)
    settings = Settings()
    add_variants_of(settings.variants_dir)
    try:
        records = [get_record(name) for name in options.variants]
        wait_for_weights(records, settings.weights_dir, options.seconds)
    except SamfleetError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
