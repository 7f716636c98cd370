"""Numeric gates: agreement of an execution's masks with those of fp32, measured on the hardware that serves them.

A gate is a JSON file that `samfleet variants gate` writes and the engine requires. It is valid for exactly one variant,
execution, checkpoint, device, torch and source of the engine; any other combination needs another gate.
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

AGREEING_IOU = 0.9  # masks with at least this IoU count as the same; a requirement of the project
PAIRED_IOU = 0.5  # below it two masks show different objects, as in COCO's evaluation

# Requirements of a gate. A mask with a score close to a threshold may appear or disappear by rounding, so the share
# cannot be 1. A wrong kernel or an overflow changes far more than a twentieth of the masks.
LEAST_AGREEING_SHARE = 0.95
LEAST_PAIRED_IOU = 0.97  # edges may move by about a pixel
LEAST_BOX_IOU = 0.97  # prompted masks have no threshold that would hide a bad one
LEAST_IMAGES = 5  # one photograph does not represent others
LEAST_MASKS = 100  # with fewer, one mask would count for more than a hundredth

CODE_FIGURES = 16  # hexadecimal digits of a subject's hash in file names


class PrecisionNotGated(SamfleetError):
    """This execution has not passed a gate on this hardware; run `samfleet variants gate`."""

    code = "precision_not_gated"


class PrecisionGateFailed(SamfleetError):
    """The masks of this execution differ too much from those of fp32 on this hardware; use fp32."""

    code = "precision_gate_failed"


class GateUnreadable(SamfleetError):
    """A gate file cannot be read; remove it and run `samfleet variants gate` again."""

    code = "gate_unreadable"


@dataclass(frozen=True, slots=True)
class GateSubject:
    """The combination that a gate is valid for. `engine` hashes the model code; `execution` is as in `Execution`.

    `calibration` is the SHA-256 of the calibration's file for int8, None for other precisions.
    """

    variant: str
    execution: str
    checkpoint_sha256: str
    device_kind: str
    device_name: str
    torch: str
    cuda: str | None
    engine: str
    calibration: str | None = None

    @property
    def file_name(self) -> str:
        text = json.dumps(asdict(self), sort_keys=True)
        return f"{self.variant}@{self.execution}-{hashlib.sha256(text.encode()).hexdigest()[:CODE_FIGURES]}.json"

    @property
    def command(self) -> str:
        """Command that measures this gate."""
        return command_of(self.variant, Execution.parse(self.execution))


@dataclass(frozen=True, slots=True)
class GateFigures:
    """Figures over all images.

    `agreeing_share` is the share of masks with a partner of IoU 0.9 or more. Its base is the larger count of each
    image, so missing and extra masks lower it. `paired_iou` is the mean over pairs of IoU 0.5 or more. `count_ratio` is
    the candidate's number of masks divided by the reference's. Boxes are those of the reference's masks; each prompts
    one mask.
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
    "count_ratio": "ratio of the candidate's masks to fp32's",
    "boxes": "box prompts",
    "box_agreeing_share": f"share of box-prompted masks at IoU {AGREEING_IOU} or more",
    "box_iou": "mean IoU of box-prompted masks",
    "worst_image": "worst image",
    "worst_share": "share of the worst image",
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
    """One measurement.

    `faults` are crashes of the candidate and its results that are not numbers; `measured_at` is UTC. `unscored_prompts`
    counts the candidate's prompts with a predicted IoU that is not a finite number.
    """

    subject: GateSubject
    figures: GateFigures
    points_per_side: int
    measured_at: str
    faults: tuple[str, ...] = ()
    unscored_prompts: int = 0

    @property
    def findings(self) -> tuple[str, ...]:
        """Reasons why the gate is not passed, by the thresholds of this version; empty if it is passed."""
        values = {name: getattr(self.figures, name) for name in LEAST}
        # `not >=` instead of `<`: a figure that is NaN is a finding
        return self.faults + tuple(
            f"{LABELS[name]} {values[name]:.4g}, needed {least:g}"
            for name, least in LEAST.items()
            if not values[name] >= least
        )

    @property
    def passed(self) -> bool:
        return not self.findings

    def to_json(self) -> str:
        """Serialise the gate. `passed` and `findings` are for readers; loading a gate computes them again."""
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
        """Return what is stored with a run: the figures, and when and how they were measured."""
        return {
            **asdict(self.figures),
            "points_per_side": self.points_per_side,
            "measured_at": self.measured_at,
        }


def command_of(variant: str, execution: Execution) -> str:
    compilation = f" --compilation {execution.compilation}" if execution.compilation != "none" else ""
    return f"samfleet variants gate {variant} --precision {execution.precision}{compilation}"


def write_gate(folder: Path, gate: Gate) -> Path:
    """Write the gate's file in one step; replaces an earlier measurement of the same subject."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / gate.subject.file_name
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(gate.to_json(), encoding="utf-8")
    return partial.replace(path)


def read_gate(path: Path) -> Gate:
    try:
        return Gate.from_json(path.read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError) as error:
        raise GateUnreadable(f"{path} is not the file of a gate: {error}; remove it and measure again") from error


def gates_of(folder: Path, variant: str) -> Iterator[Gate]:
    """Yield all gates of a variant in a folder, by file name."""
    for path in sorted(folder.glob(f"{variant}@*.json")):
        yield read_gate(path)


def require_gate(folder: Path, subject: GateSubject) -> Gate:
    """Return the passed gate of exactly this subject; otherwise raise an error that names the command to run."""
    path = folder / subject.file_name
    if not path.is_file():
        raise PrecisionNotGated(
            f"{subject.variant} in {subject.execution} has no gate for {subject.device_name} with torch "
            f"{subject.torch} and this engine in {folder}; run `{subject.command}` on this machine"
        )
    gate = read_gate(path)
    if gate.subject != subject:
        raise GateUnreadable(f"{path} is not the gate that its name states; remove it and measure again")
    if not gate.passed:
        raise PrecisionGateFailed(
            f"{subject.variant} in {subject.execution} failed its gate on {subject.device_name}: "
            f"{'; '.join(gate.findings)}; serve it in fp32"
        )
    return gate
