"""Files of a segmentation: one export for each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from samfleet.client import downloads
from samfleet.client.routes import exports
from samfleet.client.schemas import Run
from samfleet.client.steps import Steps, ask
from samfleet.client.wait import built_export
from samfleet.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Target:
    """A run and its file. `stem` is the file's name in the folder `path`; None if `path` is the file."""

    run: Run
    path: Path
    stem: str | None


def targets(runs: Sequence[Run], path: Path, variant: str | None) -> list[Target]:
    """Return where each run is saved. Raises `InvalidInput` if there is no run of the variant."""
    chosen = [run for run in runs if variant is None or run.variant == variant]
    if not chosen:
        raise InvalidInput(f"no run of {variant}; there are {', '.join(run.variant for run in runs)}")
    if len(chosen) == 1 and not path.is_dir():
        return [Target(chosen[0], path, None)]
    pools = len({run.pool for run in chosen}) > 1
    return [Target(run, path, f"{run.variant}@{run.pool}" if pools else run.variant) for run in chosen]


def exported(target: Target, form: str, options: Mapping[str, Any]) -> Steps[Path]:
    """Let the server build the export, and download it. Returns the file."""
    requested = yield from ask(exports.create_export(target.run.id, form, options))
    export = yield from built_export(requested)
    path = target.path
    if target.stem is not None:
        path /= f"{target.stem}.{form}{PurePosixPath(export['file_name']).suffix}"
    yield from downloads.download_export(export, path)
    return path
