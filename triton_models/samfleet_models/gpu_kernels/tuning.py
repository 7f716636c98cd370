"""Measures which blocks a kernel is fastest with, once per device and shape, and keeps the choice in a file.

Every choice computes the same function; sums are taken in another order, so results differ by rounding. Needs no
Triton.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from samfleet_models.gpu_kernels.limits import Blocks

REPEATS = 3  # after a first run, which compiles
_FIGURES = 16

Run = Callable[[Blocks], object]
Shape = Mapping[str, str | int]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tuning:
    """Chooses blocks on one device. `machine` names everything but the shape that a choice depends on.

    `milliseconds` runs a function and returns how long it took, the device's work included.
    """

    folder: Path
    machine: Shape
    milliseconds: Callable[[Callable[[], object]], float]
    _known: dict[str, Blocks] = field(default_factory=dict)

    def best(self, shape: Shape, candidates: Sequence[Blocks], run: Run) -> Blocks:
        """Return the fastest of `candidates` for a `shape`, which includes the kernel's name.

        It is taken from memory, else from the file, else measured by `run`, which computes the kernel's results.
        """
        key = json.dumps({**self.machine, **shape}, sort_keys=True)
        if key not in self._known:
            path = self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:_FIGURES]}.json"
            self._known[key] = self._read(path, key, candidates) or self._measured(path, key, candidates, run)
        return self._known[key]

    def choices(self) -> dict[str, dict[str, int]]:
        """Return the blocks chosen so far, by machine and shape as JSON."""
        return {key: asdict(blocks) for key, blocks in self._known.items()}

    def _read(self, path: Path, key: str, candidates: Sequence[Blocks]) -> Blocks | None:
        """Return the stored choice; None if there is none, or the file is damaged or of other candidates."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            blocks = Blocks(**stored["blocks"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s is measured again, because it cannot be read: %s", path, error)
            return None
        return blocks if stored.get("key") == key and blocks in candidates else None

    def _measured(self, path: Path, key: str, candidates: Sequence[Blocks], run: Run) -> Blocks:
        found = {blocks: self._time(blocks, run) for blocks in candidates}
        best = min(candidates, key=lambda blocks: found[blocks])
        measured = [{**asdict(blocks), "milliseconds": found[blocks]} for blocks in candidates]
        try:
            write_atomically(path, {"key": key, "blocks": asdict(best), "measured": measured})
        except OSError as error:  # the choice is measured again by the next process
            _log.warning("the blocks of a GPU kernel cannot be stored in %s: %s", path, error)
        return best

    def _time(self, blocks: Blocks, run: Run) -> float:
        """Return the least milliseconds of `REPEATS` runs: other work on the device only adds to them."""
        run(blocks)
        return min(self.milliseconds(lambda: run(blocks)) for _ in range(REPEATS))


def write_atomically(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON under another name and rename it, so that no process reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as part:
            json.dump(content, part, indent=1)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def cache_folder() -> Path:
    """Return the folder of choices, beside Triton's compiled kernels."""
    return Path(os.environ.get("TRITON_CACHE_DIR") or Path.home() / ".triton" / "cache") / "samfleet"


@cache
def source_hash() -> str:
    """Return a hash of the kernels and of what launches them."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(f"{path.name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:_FIGURES]
