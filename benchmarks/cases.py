"""Benchmark cases, and the result of one measurement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

LARGE = 256  # prompts; larger cases take so long on a CPU that they have their own number of pairs

Kind = Literal["encode", "decode", "everything"]


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `image` is a path.

    `size` is the number of prompts of "decode" and the points per side of "everything".
    """

    kind: Kind
    size: int
    image: str

    @property
    def name(self) -> str:
        names = {"encode": "encoder", "decode": f"decoder, {self.size} prompts"}
        return names.get(self.kind, f"SegEvery {self.size}x{self.size}")

    @property
    def prompts(self) -> int:
        return {"encode": 1, "decode": self.size}.get(self.kind, self.size**2)

    @property
    def large(self) -> bool:
        return self.prompts > LARGE


@dataclass(frozen=True, slots=True)
class Sample:
    """One run. `stages_ms` and `masks` belong to "everything"; memory is the process's after the run.

    `peak_bytes` is the most memory so far: resident on a CPU, allocated tensors on CUDA.
    """

    seconds: float
    resident_bytes: int
    peak_bytes: int
    stages_ms: dict[str, float] = field(default_factory=dict)
    masks: int | None = None

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Sample:
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Contender:
    """One side of a comparison: the implementation, its process's allocator settings, and its execution.

    `execution` is written as in `samfleet.variants.execution.Execution`; the opponents support only fp32.
    """

    path: Literal["engine", "plain", "transformers"]
    allocator: str
    execution: str = "fp32"

    @property
    def name(self) -> str:
        return f"{self.path} ({self.execution}, {self.allocator} allocator)"

    def takes(self, case: Case) -> bool:
        """Return whether it runs this case: transformers has only heads.

        Large decodes run only under the best settings.
        """
        if case.kind == "encode":
            return self.path == "plain"
        if case.kind == "everything":
            return self.path == "plain"
        return not case.large or self.allocator != "default"
