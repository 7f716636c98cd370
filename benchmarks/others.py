"""Options of the implementations that run in another Python, checked before anything is measured."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.cases import KINDS, OTHER_PYTHON, Contender
from benchmarks.children import ChildFailed, ChildOptions, ChildProcess
from benchmarks.contenders.official import MODELS
from benchmarks.environment import commit

NEEDS_OFFICIAL = frozenset({"official", "pipeline"})  # transformers has no image encoder of MobileSAM


class OtherUnavailable(Exception):
    """An implementation of another Python cannot be measured; the message says what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the opponents, and of the case that only those of another Python have."""
    add = parser.add_argument
    add("--against", nargs="*", default=["transformers", "plain"], choices=sorted(KINDS.keys() - {"engine"}))
    add("--official", type=Path, help="folder of MobileSAM or segment-anything; implies --against official")
    add(
        "--official-python",
        default=sys.executable,
        metavar="PYTHON",
        help="the Python that runs official, ultralytics and pipeline, with their packages; default: this one",
    )
    add("--boxes", type=Path, metavar="FOLDER", help="also SegAny: a folder with COCO's instances.json and images/")
    add("--boxed-images", type=int, default=11, help="annotated images of --boxes to use")


def measured_processes(options: argparse.Namespace) -> ChildOptions:
    """Return the options of the measured processes. Raises `OtherUnavailable` for options that do not fit together."""
    others = OTHER_PYTHON.intersection(options.against)
    if others and options.variant not in MODELS:
        names = " and ".join(sorted(others))
        raise OtherUnavailable(f"{names} cannot run {options.variant}; leave them out, or use {', '.join(MODELS)}")
    if options.boxes and not (others or options.official):
        raise OtherUnavailable("--boxes has no opponent; add --official PATH, or --against ultralytics")
    if options.official:
        _check_official(options.variant, options.official)
    elif needing := others & NEEDS_OFFICIAL:
        raise OtherUnavailable(f"--against {' '.join(sorted(needing))} needs --official PATH")
    return ChildOptions(
        variant=options.variant,
        weights=str(options.weights.resolve()),
        device=options.device,
        threads=options.threads,
        other_python=options.official_python,
        official=str(options.official.resolve()) if options.official else None,
    )


def _check_official(variant: str, folder: Path) -> None:
    if variant not in MODELS:
        raise OtherUnavailable(f"no official package has {variant}; leave --official out, or use {', '.join(MODELS)}")
    package = MODELS[variant][0]
    if not (folder / package).is_dir():
        raise OtherUnavailable(f"{folder} has no folder {package}; --official is the folder that holds the package")


def other_versions(opponents: Iterable[Contender], options: ChildOptions) -> dict[str, dict[str, str]]:
    """Return the versions of every opponent that runs in another Python, by its name.

    Raises `OtherUnavailable` if one of them does not start; its own output says why.
    """
    found: dict[str, dict[str, str]] = {}
    for opponent in opponents:
        if opponent.path in OTHER_PYTHON and opponent.path not in found:
            try:
                with ChildProcess(opponent, options) as child:
                    found[opponent.path] = child.versions()
            except ChildFailed as error:
                raise OtherUnavailable(f"{opponent.path} does not start in {options.other_python}: {error}") from error
            except FileNotFoundError as error:
                raise OtherUnavailable(f"--official-python: {options.other_python} does not exist") from error
    if "official" in found and options.official is not None:
        found["official"]["commit"] = commit(Path(options.official))
    return found
