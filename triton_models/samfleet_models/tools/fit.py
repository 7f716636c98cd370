"""Checks that weights fit a variant's network: `python -m samfleet_models.tools.fit NAME network=FILE decoder=FILE`.

The network is built on the meta device, so even the largest takes no memory in addition to the files. Exit codes: 0 all
keys and shapes fit, 1 they do not.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from samfleet.errors import SamfleetError
from samfleet.variants.catalogue import add_variants_of, get_record
from samfleet.variants.record import VariantRecord
from samfleet_models.networks.registry import network_of


def check_fit(record: VariantRecord, files: Mapping[str, Path]) -> None:
    """Raise an error of `samfleet_models.checkpoints.loading` if the files, given by role, do not fit."""
    with torch.device("meta"):
        network = network_of(record)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*which is a no-op", category=UserWarning)  # intended here
        network.load(files)


def main(arguments: Sequence[str]) -> int:
    name, *pairs = arguments
    files = {role: Path(path) for role, _, path in (pair.partition("=") for pair in pairs)}
    own = os.environ.get("SAMFLEET_VARIANTS_DIR")
    try:
        add_variants_of(Path(own) if own else None)
        check_fit(get_record(name), files)
    except SamfleetError as error:
        reason = error.message.partition("\n")[0]
        print(f"{reason} [{error.code}]", file=sys.stderr)  # noqa: T201 - this is a command
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
