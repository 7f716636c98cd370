"""`python -m samfleet_models.parity.verify DIR`: verifies every folder of parity cases, one line per variant.

Exit codes: 0 all passed, 1 a variant failed or could not be compared, 2 the folder has no cases.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from samfleet.errors import SamfleetError
from samfleet.variants.catalogue import get_record
from samfleet.variants.record import VariantRecord
from samfleet_kernels.library import choose
from samfleet_models.networks.registry import network_of
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.networks.yolo.network import InstanceNetwork
from samfleet_models.parity import instance_cases, sam_cases
from samfleet_models.parity.cases import Case, CasesInvalid, VariantCases, find_cases
from samfleet_models.parity.findings import Tolerances, Verdict

CPU = torch.device("cpu")


def verify(folder: Path, only: frozenset[str] = frozenset()) -> Iterator[Verdict]:
    """Yield the verdict of every variant in `folder`, or of those named, as soon as it is known."""
    for cases in find_cases(folder):
        if not only or cases.variant in only:
            yield verify_variant(cases)
            gc.collect()


def verify_variant(
    cases: VariantCases, device: torch.device = CPU, state: Mapping[str, Tensor] | None = None
) -> Verdict:
    """Compare a variant with its cases. `state` is the stand-in checkpoint if it was rebuilt before."""
    verdict = Verdict(cases.variant)
    try:
        record = get_record(cases.variant)
        verdict.keys = check_keys(record, cases)
        _check_cases(record, cases, verdict, device, state)
    except CasesInvalid:
        raise
    except (SamfleetError, RuntimeError, ValueError) as error:  # torch raises the latter two for mismatches
        verdict.problems.append(f"{type(error).__name__}: {error}")
    return verdict


def check_keys(record: VariantRecord, cases: VariantCases) -> int:
    """Check the keys on the meta device, which allocates no memory even for the largest variants."""
    with torch.device("meta"):
        network = _network(record)
    shapes = cases.shapes()
    network.check_published(shapes)
    return len(shapes)


def _check_cases(
    record: VariantRecord,
    cases: VariantCases,
    verdict: Verdict,
    device: torch.device,
    state: Mapping[str, Tensor] | None,
) -> None:
    network: SamNetwork | InstanceNetwork | None = None
    tolerances = Tolerances.of(cases.meta)
    for case in cases.cases():
        if network is None:
            network = _network(record)
            network.load_published(cases.state() if state is None else state)
            network.to(device)
        _check_case(network, case, tolerances, verdict)


def _network(record: VariantRecord) -> SamNetwork | InstanceNetwork:
    network = network_of(record)
    if isinstance(network, SamNetwork | InstanceNetwork):
        return network
    raise ValueError(f"{record.name} is composed of several networks; compare each with its own cases")


def _check_case(network: SamNetwork | InstanceNetwork, case: Case, tolerances: Tolerances, verdict: Verdict) -> None:
    if isinstance(network, SamNetwork):
        sam_cases.check_case(network, case, tolerances, verdict)
    else:
        instance_cases.check_case(network, case, tolerances, verdict)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m samfleet_models.parity.verify", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("variants", nargs="*", help="default: all variants of the folder")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    choose(os.environ.get("SAMFLEET_KERNELS") or "auto")
    passed = True
    try:
        for verdict in verify(options.folder, frozenset(options.variants)):
            passed &= verdict.passed
            print(verdict.line(), flush=True)  # noqa: T201 - this is a command
    except CasesInvalid as error:
        print(f"{error.message} [{error.code}]", file=sys.stderr)  # noqa: T201
        return 2
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
