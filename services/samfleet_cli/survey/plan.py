"""Plans of a survey: YAML files that say which variants are measured on which tasks, datasets and pools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from samfleet.datasets.recipes.prepare import ANNOTATIONS, IMAGES
from samfleet.errors import InvalidInput, NotFound, SamfleetError
from samfleet.regular_files import open_regular
from samfleet.survey.conditions import DATA_SETS
from samfleet.variants.execution import Execution
from samfleet_cli.survey.tasks import TASKS, Detector, SurveyTask, own_task

MAX_FILE_BYTES = 2**20
SHIPPED = ("default", "small", "own")
HERE = "here"
STAND_INS = "stand_ins"


class SurveyPlanInvalid(InvalidInput):
    """The plan is not valid; docs/survey.md has an example of every field."""

    code = "survey_plan_invalid"


class SurveyPlanNotFound(NotFound):
    """There is no such plan; name a file, or a plan that samfleet ships: default, small, own."""

    code = "survey_plan_not_found"


def _data_set(name: str) -> str:
    if name not in DATA_SETS:
        raise ValueError(f"{name!r} is no data set of the survey; known are {', '.join(DATA_SETS)}")
    return name


SampleName = Annotated[str, AfterValidator(_data_set)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatasetSpec(_Part):
    """Images of a folder. Paths are relative to the folder of the plan; `images` may be given on the command line.

    `prepared` is a folder of `samfleet datasets prepare` and stands for its images and annotations. An `optional`
    dataset is left out with its measurements if its folder is missing.
    `sample_of` names the survey's data set that the images are from: its published quality is shown beside. `limit`
    takes a sample of the images, chosen by `seed` and the names of the files.
    """

    images: Path | None = None
    annotations: Path | None = None
    prepared: Path | None = None
    optional: bool = False
    detections: dict[Detector, Path] = Field(default_factory=dict)
    sample_of: SampleName | None = None
    limit: int | None = Field(default=None, ge=1)
    seed: int = 0

    @model_validator(mode="after")
    def _check_folder(self) -> DatasetSpec:
        if self.prepared and (self.images or self.annotations):
            raise ValueError("prepared stands for images and annotations; give one or the other")
        return self


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


SomeNames = Annotated[tuple[str, ...], BeforeValidator(_one_or_more)]
Names = Annotated[SomeNames, Field(min_length=1)]


class Block(_Part):
    """Measurements of all combinations of its lists, in this order, the tasks changing slowest.

    `variants` are names, `here` (all variants whose weights the server has), or `stand_ins` (variants with random
    weights whose real weights are missing: times only). Without `pools` the server's first pool is measured, without
    `executions` the pool's own.
    """

    tasks: Names
    datasets: Names
    variants: Names = (HERE,)
    pools: SomeNames = ()
    executions: SomeNames = ()
    limit: int | None = Field(default=None, ge=1)
    repeats: int = Field(default=1, ge=1, le=100)


class Plan(_Part):
    title: str = Field(min_length=1, max_length=100)
    datasets: dict[str, DatasetSpec] = Field(min_length=1)
    tasks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    measurements: tuple[Block, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_names(self) -> Plan:
        for name, task in self.tasks.items():
            if name in TASKS:
                raise ValueError(f"a task {name} exists already; choose another name")
            _own(name, task)
        for block in self.measurements:
            _known("task", block.tasks, {**TASKS, **self.tasks})
            _known("dataset", block.datasets, self.datasets)
            for execution in block.executions:
                _parsed(execution)
        return self

    def task(self, name: str) -> SurveyTask:
        return TASKS.get(name) or own_task(name, self.tasks[name])


def load_plan(name: str, images: Path | None = None, annotations: Path | None = None) -> Plan:
    """Load a plan by the path of its file or by the name of a shipped one.

    `images` and `annotations` replace those of its first dataset. Raises `SurveyPlanNotFound`, or `SurveyPlanInvalid`
    with the place of the fault.
    """
    plan = _load(name)
    first, spec = next(iter(plan.datasets.items()))
    given = {key: path.absolute() for key, path in (("images", images), ("annotations", annotations)) if path}
    plan = plan.model_copy(update={"datasets": {**plan.datasets, first: spec.model_copy(update=given)}})
    if missing := [key for key, one in plan.datasets.items() if one.images is None]:
        raise SurveyPlanInvalid(f"dataset {', '.join(missing)} names no folder of images; add it, or use --images")
    return plan


def narrowed(plan: Plan, tasks: Sequence[str] = (), variants: Sequence[str] = (), pools: Sequence[str] = ()) -> Plan:
    """Return the plan with these tasks on all images of its first dataset, in place of its measurements.

    Without tasks its measurements stay. `variants` and `pools`, if any, replace those of all measurements. Raises
    `SurveyPlanInvalid` for an unknown task.
    """
    if unknown := [name for name in tasks if name not in {**TASKS, **plan.tasks}]:
        known = ", ".join(sorted({**TASKS, **plan.tasks}))
        raise SurveyPlanInvalid(f"task {', '.join(unknown)} is unknown; known are {known}")
    changed = {name: tuple(values) for name, values in (("variants", variants), ("pools", pools)) if values}
    blocks = (Block(tasks=tuple(tasks), datasets=(next(iter(plan.datasets)),)),) if tasks else plan.measurements
    return plan.model_copy(update={"measurements": tuple(block.model_copy(update=changed) for block in blocks)})


def without_missing(plan: Plan) -> Plan:
    """Return the plan without the optional datasets whose folder is missing, and without their measurements.

    Raises `SurveyPlanInvalid` if nothing is left.
    """
    optional = {name: one.images for name, one in plan.datasets.items() if one.optional}
    missing = {name for name, images in optional.items() if images is None or not images.is_dir()}
    left = [
        block.model_copy(update={"datasets": kept})
        for block in plan.measurements
        if (kept := tuple(name for name in block.datasets if name not in missing))
    ]
    datasets = {name: one for name, one in plan.datasets.items() if name not in missing}
    if not left:
        raise SurveyPlanInvalid(f"no dataset of the plan has its folder: {', '.join(sorted(missing))}; prepare one")
    return plan.model_copy(update={"datasets": datasets, "measurements": tuple(left)})


def _load(name: str) -> Plan:
    path = Path(name)
    if not path.exists() and name in SHIPPED:
        return parse_plan((files("samfleet_cli.survey") / "plans" / f"{name}.yaml").read_text("utf-8"), Path())
    if not path.is_file():
        raise SurveyPlanNotFound(f"{name} is no file; name one, or a shipped plan: {', '.join(SHIPPED)}")
    with open_regular(path) as file:
        text = file.read(MAX_FILE_BYTES + 1)
    if len(text) > MAX_FILE_BYTES:
        raise SurveyPlanInvalid(f"{path} has more than {MAX_FILE_BYTES} bytes, more than any plan needs")
    try:
        return parse_plan(text.decode(), path.parent)
    except (UnicodeDecodeError, SurveyPlanInvalid) as error:
        raise SurveyPlanInvalid(f"{path}: {error}") from error


def parse_plan(text: str, folder: Path) -> Plan:
    import yaml

    try:
        plan = Plan.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise SurveyPlanInvalid(f"it is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SurveyPlanInvalid(f"{place or 'the plan'}: {first['msg'].removeprefix('Value error, ')}") from error
    return plan.model_copy(update={"datasets": {name: _from(folder, one) for name, one in plan.datasets.items()}})


def _from(folder: Path, spec: DatasetSpec) -> DatasetSpec:
    """Return the dataset with absolute paths."""

    def whole(path: Path | None) -> Path | None:
        return (folder / path.expanduser()).absolute() if path else None

    prepared = whole(spec.prepared)
    return spec.model_copy(
        update={
            "images": prepared / IMAGES if prepared else whole(spec.images),
            "annotations": prepared / ANNOTATIONS if prepared else whole(spec.annotations),
            "prepared": prepared,
            "detections": {name: whole(path) for name, path in spec.detections.items()},
        }
    )


def _known(kind: str, names: Names, known: Mapping[str, Any]) -> None:
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"{kind} {', '.join(unknown)} is unknown; known are {', '.join(sorted(known))}")


def _parsed(execution: str) -> None:
    try:
        Execution.parse(execution)
    except SamfleetError as error:
        raise ValueError(error.message) from error


def _own(name: str, task: Mapping[str, Any]) -> None:
    try:
        own_task(name, task)
    except SamfleetError as error:
        raise ValueError(f"task {name}: {error.message}") from error
