"""Numeric gates: how well an execution's masks agree with fp32's, measured on the hardware that is to serve them.

A gate is a JSON file that `samfleet variants gate` writes and the engine asks for. It holds for exactly one variant,
execution, checkpoint, device, torch and source of the engine; anything else needs a gate of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from samfleet.errors import SamfleetError
from samfleet.variants.execution import Execution

AGREEING_IOU = 0.9  # of a mask that counts as the same one; the issue's own figure
PAIRED_IOU = 0.5  # under it two masks show different things, as in COCO's evaluation

# What a gate asks for. A mask whose score lies at a threshold appears or goes with the last bits of any rounding, so
# the share cannot be 1; a wrong kernel or an overflow costs far more than a twentieth of the masks.
LEAST_AGREEING_SHARE = 0.95
LEAST_PAIRED_IOU = 0.97  # edges may move by about a pixel
LEAST_BOX_IOU = 0.97  # prompted masks have no threshold that would hide a bad one
LEAST_IMAGES = 5  # one photograph is no evidence for others
LEAST_MASKS = 100  # under it one mask would weigh more than a hundredth

CODE_FIGURES = 16  # hexadecimal digits of a subject's hash in file names


class PrecisionNotGated(SamfleetError):
    """No gate was passed for this execution on this hardware; run `samfleet variants gate`."""

    code = "precision_not_gated"


class PrecisionGateFailed(SamfleetError):
    """The masks of this execution differ too much from those of fp32 on this hardware; use fp32."""

    code = "precision_gate_failed"


class GateUnreadable(SamfleetError):
    """A gate file cannot be read; remove it and run `samfleet variants gate` again."""

    code = "gate_unreadable"


@dataclass(frozen=True, slots=True)
class GateSubject:
    """What a gate holds for. `engine` is the hash of the model code's source, `execution` as `Execution` writes it."""

    variant: str
    execution: str
    checkpoint_sha256: str
    device_kind: str
    device_name: str
    torch: str
    cuda: str | None
    engine: str

    @property
    def file_name(self) -> str:
        text = json.dumps(asdict(self), sort_keys=True)
        return f"{self.variant}@{self.execution}-{hashlib.sha256(text.encode()).hexdigest()[:CODE_FIGURES]}.json"

    @property
    def command(self) -> str:
        """What measures it."""
        return command_of(self.variant, Execution.parse(self.execution))


@dataclass(frozen=True, slots=True)
class GateFigures:
    """Over all images together.

    `agreeing_share` is that of masks with a partner of IoU 0.9 or more, of the larger count of each image, so missing
    and extra masks count against it. `paired_iou` is the mean over pairs of IoU 0.5 or more. `count_ratio` is the
    candidate's number of masks by the reference's. Boxes are those of the reference's masks, one prompted mask each.
    """

    images: int
    reference_masks: int
    candidate_masks: int
    agreeing_share: float
    paired_iou: float
    count_ratio: float
    boxes: int
    box_agreeing_share: float
    box_iou: float
    worst_image: str
    worst_share: float


LABELS = {
    "images": "images",
    "reference_masks": "masks of fp32",
    "candidate_masks": "masks of the candidate",
    "agreeing_share": f"share of masks at IoU {AGREEING_IOU} or more",
    "paired_iou": "mean IoU of paired masks",
    "count_ratio": "candidate's masks by fp32's",
    "boxes": "boxes prompted with",
    "box_agreeing_share": f"share of them at IoU {AGREEING_IOU} or more",
    "box_iou": "mean IoU of box-prompted masks",
    "worst_image": "worst image",
    "worst_share": "its share",
}
LEAST: dict[str, float] = {
    "images": LEAST_IMAGES,
    "reference_masks": LEAST_MASKS,
    "agreeing_share": LEAST_AGREEING_SHARE,
    "paired_iou": LEAST_PAIRED_IOU,
    "box_iou": LEAST_BOX_IOU,
}


@dataclass(frozen=True, slots=True)
class Gate:
    """One measurement. `faults` are crashes of the candidate and numbers of it that are none; `measured_at` is UTC.

    `unscored_prompts` are the candidate's whose predicted IoU was no finite number.
    """

    subject: GateSubject
    figures: GateFigures
    points_per_side: int
    measured_at: str
    faults: tuple[str, ...] = ()
    unscored_prompts: int = 0

    @property
    def findings(self) -> tuple[str, ...]:
        """Why it is not passed, by the thresholds of this version; empty when it is."""
        values = {name: getattr(self.figures, name) for name in LEAST}
        # `not >=` and not `<`: a figure that is not a number is a finding
        return self.faults + tuple(
            f"{LABELS[name]} {values[name]:.4g}, needed {least:g}"
            for name, least in LEAST.items()
            if not values[name] >= least
        )

    @property
    def passed(self) -> bool:
        return not self.findings

    def to_json(self) -> str:
        """`passed` and `findings` are for readers; whoever loads a gate decides anew."""
        fields = {**asdict(self), "passed": self.passed, "findings": self.findings}
        return json.dumps(fields, indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Gate:
        fields = json.loads(text)
        return cls(
            subject=GateSubject(**fields["subject"]),
            figures=GateFigures(**fields["figures"]),
            points_per_side=fields["points_per_side"],
            measured_at=fields["measured_at"],
            faults=tuple(fields["faults"]),
            unscored_prompts=fields["unscored_prompts"],
        )

    def summary(self) -> dict[str, Any]:
        """What is stored with a run: the figures beside when and how they were measured."""
        return {
            **asdict(self.figures),
            "points_per_side": self.points_per_side,
            "measured_at": self.measured_at,
        }


def command_of(variant: str, execution: Execution) -> str:
    compilation = f" --compilation {execution.compilation}" if execution.compilation != "none" else ""
    return f"samfleet variants gate {variant} --precision {execution.precision}{compilation}"


def write_gate(folder: Path, gate: Gate) -> Path:
    """The file appears whole; an earlier measurement of the same subject is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / gate.subject.file_name
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(gate.to_json(), encoding="utf-8")
    return partial.replace(path)


def read_gate(path: Path) -> Gate:
    try:
        return Gate.from_json(path.read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError) as error:
        raise GateUnreadable(f"{path} is not a gate's file: {error}; remove it and gate again") from error


def gates_of(folder: Path, variant: str) -> Iterator[Gate]:
    """Every gate of a variant in a folder, whatever it holds for, by file name."""
    for path in sorted(folder.glob(f"{variant}@*.json")):
        yield read_gate(path)


def require_gate(folder: Path, subject: GateSubject) -> Gate:
    """The passed gate of exactly this subject, or the error that says which command is to be run."""
    path = folder / subject.file_name
    if not path.is_file():
        raise PrecisionNotGated(
            f"{subject.variant} in {subject.execution} has no gate for {subject.device_name} with torch "
            f"{subject.torch} and this engine in {folder}; run `{subject.command}` on this machine"
        )
    gate = read_gate(path)
    if gate.subject != subject:
        raise GateUnreadable(f"{path} is the gate of something else than its name says; remove it and gate again")
    if not gate.passed:
        raise PrecisionGateFailed(
            f"{subject.variant} in {subject.execution} failed its gate on {subject.device_name}: "
            f"{'; '.join(gate.findings)}; serve it in fp32"
        )
    return gate
