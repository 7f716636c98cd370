"""Task of a job in its REST form, and its parameters for a variant.

- `{"kind": "everything", …}` has the fields of `EverythingParameters`; missing ones get the variant's defaults. With
  the sampler `object_aware` the prompts are boxes of the dataset's annotations or detections, or boxes of the variant's
  detector.
- `{"kind": "prompts", "prompt": "box" | "center_point" | "random_points", "from": "annotations", "multimask": …}`
  prompts with the annotated instances of each image. `random_points` also has `points` and `seed`.
- `{"kind": "prompts", "prompt": "file", "from": "prompts"}` has the prompts of the dataset's prompts file.

`tile` of either kind is for images larger than a tile (`samfleet.variants.tiling`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from samfleet.variants.record import VariantRecord
from samfleet.variants.task import (
    BoxSource,
    EverythingParameters,
    PromptsParameters,
    TaskInvalid,
    check_integer,
    task_from_dict,
)
from samfleet.variants.tiling import Tiling, split_tile

PromptKind = Literal["box", "center_point", "random_points", "file"]
PromptSource = BoxSource | Literal["prompts"]
MOST_POINTS = 64  # per object; beyond that, points say no more about an object than its mask
MOST_SEED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class EverythingJobTask:
    given: Mapping[str, Any]  # the parameters in the request, without `kind` and `tile`
    tile: Tiling | None = None

    def prompted_by(self, record: VariantRecord) -> PromptSource | None:
        """Return the source of prompts that the dataset must have for this variant, or None."""
        parameters = self.parameters(record)
        return parameters.boxes_from if parameters.prompted else None

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "everything", **self.given, **self._tile()}

    def resolve(self, record: VariantRecord) -> dict[str, Any]:
        return {**self.parameters(record).to_dict(), **self._tile()}

    def parameters(self, record: VariantRecord) -> EverythingParameters:
        """Return what the network is asked for, for an image or a tile of it."""
        given = {"kind": "everything", **self.given}
        parameters = cast("EverythingParameters", task_from_dict(given, record.everything))
        record.conventions.check_task(parameters, record.name)
        if self.tile and parameters.prompted:
            raise TaskInvalid(f"tile does not go with boxes_from {parameters.boxes_from!r}; leave one of them out")
        return parameters

    def _tile(self) -> dict[str, Any]:
        return {"tile": self.tile.to_dict()} if self.tile else {}


@dataclass(frozen=True, slots=True)
class PromptsJobTask:
    """Task that prompts with annotated instances, or with the objects of a prompts file.

    `multimask` predicts three masks and keeps the best. It suits a point, which is ambiguous, but not a box, which is
    not (the official evaluation does the same); each prompt of a file has its own. `points` and `seed` are those of
    `random_points`.
    """

    prompt: PromptKind
    multimask: bool
    points: int = 3
    seed: int = 0
    tile: Tiling | None = None

    @property
    def needs_masks(self) -> bool:
        """True if prompts are made from the annotated masks, not from boxes."""
        return self.prompt not in {"box", "file"}

    @property
    def source(self) -> Literal["annotations", "prompts"]:
        return "prompts" if self.prompt == "file" else "annotations"

    def prompted_by(self, _record: VariantRecord) -> PromptSource | None:
        return self.source

    def to_dict(self) -> dict[str, Any]:
        task: dict[str, Any] = {"kind": "prompts", "prompt": self.prompt, "from": self.source}
        if self.prompt != "file":
            task["multimask"] = self.multimask
        if self.prompt == "random_points":
            task |= {"points": self.points, "seed": self.seed}
        return {**task, "tile": self.tile.to_dict()} if self.tile else task

    def resolve(self, _record: VariantRecord) -> dict[str, Any]:
        return self.to_dict()

    def parameters(self, _record: VariantRecord) -> PromptsParameters:
        return PromptsParameters(masks="best")


JobTask = EverythingJobTask | PromptsJobTask


def parse_job_task(values: Mapping[str, Any]) -> JobTask:
    """Parse the task of a request, or of a run, in which every field is filled in. Raises `TaskInvalid`."""
    kind = values.get("kind")
    given, tile = split_tile(values)
    if kind == "everything":
        task_from_dict(given)
        return EverythingJobTask({name: value for name, value in given.items() if name != "kind"}, tile)
    if kind == "prompts":
        return _parse_prompts(given, tile)
    raise TaskInvalid(f"task kind {kind!r} is unknown; it is 'everything' or 'prompts'")


def _parse_prompts(values: Mapping[str, Any], tile: Tiling | None) -> PromptsJobTask:
    if unknown := sorted(set(values) - {"kind", "prompt", "from", "multimask", "points", "seed"}):
        raise TaskInvalid(
            f"unknown parameter {', '.join(unknown)} of task 'prompts'; known are prompt, from, multimask, points, "
            "seed, tile"
        )
    prompt = values.get("prompt")
    if not isinstance(prompt, str) or prompt not in get_args(PromptKind):
        raise TaskInvalid(f"prompt is {prompt!r}; it is 'box', 'center_point', 'random_points' or 'file'")
    expected = "prompts" if prompt == "file" else "annotations"
    if (source := values.get("from", expected)) != expected:
        raise TaskInvalid(f"from is {source!r}; prompt {prompt!r} takes its prompts from {expected!r}")
    if prompt != "random_points" and (unused := sorted({"points", "seed"} & set(values))):
        raise TaskInvalid(f"prompt {prompt!r} does not take {', '.join(unused)}; only 'random_points' does")
    if prompt == "file" and "multimask" in values:
        raise TaskInvalid("prompt 'file' does not take multimask; each prompt of the file has its own")
    multimask = values.get("multimask", prompt != "box")
    if not isinstance(multimask, bool):
        raise TaskInvalid(f"multimask is {multimask!r}; it is true or false")
    points, seed = values.get("points", 3), values.get("seed", 0)
    check_integer("points", points, 1, MOST_POINTS)
    check_integer("seed", seed, 0, MOST_SEED)
    return PromptsJobTask(cast("PromptKind", prompt), multimask, points, seed, tile)
