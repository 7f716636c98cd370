"""The results of a comparison, and its tolerances."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

HALF = 2.0**-10  # relative error of values recorded in float16
LARGE_LOGITS = 20.0  # logits beyond this are large, for which `meta.json` may allow more


@dataclass(frozen=True, slots=True)
class Tolerances:
    """The errors that a variant may have. None means `share` of the range of the recorded values.

    `grey_levels` applies to pixels; `mask_iou` is the least overlap of a final mask; `ious` applies to the IoU head and
    stabilities.
    """

    pixels: float | None = None
    embedding: float | None = None
    logits: float | None = None
    large_logits: float | None = None
    ious: float = 1e-3
    mask_iou: float = 0.995
    share: float = 1e-3
    grey_levels: float = 1.0

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> Tolerances:
        """Read the tolerances of a `meta.json`: numbers under `tolerance` by the names here, or a recorded sentence.

        The recorder may have found the stand-in network ill-conditioned; `perturbation_check_case0` has the change of
        its embedding when the input grows by 1e-5. The suggested tolerances are then widened by as much.
        """
        given = meta.get("tolerance") or meta.get("tolerances")
        if isinstance(given, Mapping):
            return cls(**{name: float(value) for name, value in given.items() if name in cls.__dataclass_fields__})
        sentence = str(meta.get("suggested_tolerance", ""))
        found = {name: _number(sentence, word) for name, word in _WORDS.items()}
        large = re.search(r"low_res_probe [\d.e-]+ \(.*?: ([\d.e-]+)\)", sentence)
        values = {name: value for name, value in found.items() if value is not None}
        moved = (meta.get("perturbation_check_case0") or {}).get("embedding_max_abs", 0.0)
        wider = 1 + moved / values["embedding"] if "embedding" in values else 1.0
        values |= {name: values[name] * wider for name in values.keys() & {"embedding", "logits", "ious"}}
        return cls(**values, large_logits=float(large[1]) if large else None)


_WORDS = {"pixels": "pixels_probe", "embedding": "embedding_probe", "logits": "low_res_probe", "ious": "iou"}


def _number(sentence: str, word: str) -> float | None:
    found = re.search(rf"\b{word} ([\d.]+(?:e-?\d+)?)", sentence)
    return float(found[1]) if found else None


@dataclass(slots=True)
class Worst:
    """The worst error of one kind of comparison, as a multiple of the tolerance: above 1 fails."""

    error: float = 0.0
    allowed: float = 0.0
    compared: int = 0

    @property
    def excess(self) -> float:
        return self.error / self.allowed if self.allowed else float("inf") if self.error else 0.0

    def note(self, error: float, allowed: float) -> None:
        self.compared += 1
        if np.isnan(error):
            error = float("inf")
        if self.compared == 1 or error * self.allowed > self.error * allowed:
            self.error, self.allowed = error, allowed


@dataclass(slots=True)
class Verdict:
    """The result of one variant.

    It has the number of matching keys, the worst error of each comparison, the skipped comparisons and the problems.
    """

    variant: str
    keys: int = 0
    worst: dict[str, Worst] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.problems and all(worst.excess <= 1 for worst in self.worst.values())

    def note(self, kind: str, error: float, allowed: float) -> None:
        self.worst.setdefault(kind, Worst()).note(error, allowed)

    def compare(self, kind: str, found: NDArray[Any], recorded: NDArray[Any], allowed: float) -> None:
        """Note the largest absolute difference; values recorded in float16 may also be off by their rounding."""
        if found.shape != recorded.shape:
            self.problems.append(f"{kind} has shape {found.shape}, recorded was {recorded.shape}")
            return
        halved = recorded.dtype == np.float16
        rounding = float(np.abs(recorded).max()) * HALF if halved else 0.0
        wide = recorded.astype(np.float64)
        self.note(
            f"{kind} (float16)" if halved else kind,
            float(np.abs(found.astype(np.float64) - wide).max(initial=0.0)),
            allowed + rounding,
        )

    def line(self) -> str:
        """Return one line: name, verdict, keys, worst errors."""
        parts = [f"{kind} {worst.error:.2g} (≤ {worst.allowed:.2g})" for kind, worst in self.worst.items()]
        shown = "; ".join([f"{self.keys} keys", *(parts or ["keys alone"]), *self.problems])
        unread = f"; not compared: {', '.join(self.skipped)}" if self.skipped else ""
        return f"{self.variant:26} {'passed' if self.passed else 'FAILED'}  {shown}{unread}"


def span(values: NDArray[Any]) -> float:
    """Return the range of the recorded values."""
    return float(values.max()) - float(values.min())


def host(values: Tensor) -> NDArray[Any]:
    """Return a tensor on any device as an array."""
    array: NDArray[Any] = values.cpu().numpy()
    return array
