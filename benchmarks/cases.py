"""Benchmark cases, and the result of one measurement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

LARGE = 256  # prompts; larger cases take so long on a CPU that they have their own number of pairs

Kind = Literal["encode", "decode", "everything", "boxes"]
Path = Literal["engine", "plain", "transformers", "official", "ultralytics", "pipeline"]
Box = tuple[float, float, float, float]  # (x0, y0, x1, y1) in pixels

# The kinds that each implementation supports: transformers has only heads.
KINDS: dict[Path, frozenset[Kind]] = {
    "engine": frozenset({"encode", "decode", "everything", "boxes"}),
    "plain": frozenset({"encode", "decode", "everything"}),
    "transformers": frozenset({"decode"}),
    "official": frozenset({"encode", "everything", "boxes"}),
    "ultralytics": frozenset({"encode", "everything", "boxes"}),
    "pipeline": frozenset({"everything", "boxes"}),  # its image encoder is the official one
}
# Implementations that run in another Python, by `benchmarks.contenders`.
OTHER_PYTHON: frozenset[Path] = frozenset({"official", "ultralytics", "pipeline"})
COUNTED: frozenset[Kind] = frozenset({"encode", "decode"})  # as one sum; those with masks by stage
WITH_MASKS: frozenset[Kind] = frozenset({"everything", "boxes"})


@dataclass(frozen=True, slots=True)
class BoxedImage:
    """An image file with box prompts."""

    image: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `image` is a path.

    `size` is the number of prompts of "decode" and "boxes" and the points per side of "everything". The images of
    "boxes" are in `boxed`; `image` is its first.
    """

    kind: Kind
    size: int
    image: str
    boxed: tuple[BoxedImage, ...] = ()

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Case:
        """Return the case of an order, which has more fields than the case."""
        boxed = (BoxedImage(one["image"], tuple(map(tuple, one["boxes"]))) for one in values["boxed"])
        return cls(values["kind"], values["size"], values["image"], tuple(boxed))

    @property
    def name(self) -> str:
        names = {
            "encode": "encoder",
            "decode": f"decoder, {self.size} prompts",
            "boxes": f"SegAny, {self.size} boxes in {len(self.boxed)} images",
        }
        return names.get(self.kind, f"SegEvery {self.size}x{self.size}")

    @property
    def images(self) -> int:
        """Number of images."""
        return len(self.boxed) or 1

    @property
    def prompts(self) -> int:
        return {"encode": 1, "decode": self.size, "boxes": self.size}.get(self.kind, self.size**2)

    @property
    def large(self) -> bool:
        return self.prompts > LARGE


@dataclass(frozen=True, slots=True)
class Sample:
    """One run. `stages_ms` and `masks` belong to kinds with masks; memory is the process's after the run.

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

    path: Path
    allocator: str
    execution: str = "fp32"

    @property
    def name(self) -> str:
        return f"{self.path} ({self.execution}, {self.allocator} allocator)"

    def takes(self, case: Case) -> bool:
        """Return whether it runs this case. Large decodes run only under the best settings."""
        if case.kind not in KINDS[self.path]:
            return False
        return case.kind != "decode" or not case.large or self.allocator != "default"
