"""Compares networks that find all instances at once: pixels, predictions, prototypes, boxes, masks, prompted masks.

Predictions come from the serving network; detections, masks and prompted masks take the same path as a request's, with
the recorded thresholds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet.masks.rle import decode_mask
from samfleet.variants.task import EverythingParameters, Prompt
from samfleet_models.networks.yolo.detections import BOX, SCORE, Detections
from samfleet_models.networks.yolo.network import InstanceNetwork, of_instances
from samfleet_models.networks.yolo.prompt_matching import answer
from samfleet_models.networks.yolo.prototype_masks import Instances
from samfleet_models.parity.cases import Case
from samfleet_models.parity.findings import Tolerances, Verdict, host, span

Array = NDArray[Any]
MASK_NAME = re.compile(r"prompt_mask_(?P<prompt>\d+)|auto_mask_(?P<auto>[a-z]+)")
UNCOMPARED = re.compile(r"(probe__.*|(masks|.*_mask_[a-z\d]+)_shape|conf|conf_margin|nms_iou|auto_points|auto_box)$")
# Indices of the recorded points of each automatic prompt, and their labels.
AUTO = {"a": ([0], (1,)), "b": ([1], (1,)), "c": ([0, 1], (1, 1)), "d": ([0, 1, 2], (1, 1, 0))}
TURNING_PIXELS = 2  # pixels with logits close to zero; a single one would fail a mask of a few pixels


@dataclass(frozen=True)
class Subject:
    """A network and the case it is compared on: `predictions` [5 + C, N], `prototypes` [C, h, w] if it has masks."""

    network: InstanceNetwork
    case: Case
    tolerances: Tolerances
    verdict: Verdict
    pixels: Tensor
    predictions: Tensor
    prototypes: Tensor

    def check(self) -> None:
        for name, recorded in self.case.golden.items():
            if UNCOMPARED.match(name):
                continue
            if name in CHECKS:
                CHECKS[name](self, recorded)
            elif found := MASK_NAME.fullmatch(name):
                self._check_mask(self._prompted_mask(found["prompt"], found["auto"]), self._recorded(name)[0])
            else:
                self.verdict.skipped.append(name)

    def check_pixels(self, recorded: Array) -> None:
        grey = self.tolerances.grey_levels / min(self.network.processor.conventions.preprocessing.std)
        found = host(self.pixels[0, :, ::16, ::16])
        self.verdict.compare("pixels", found, recorded, self.tolerances.pixels or grey)

    def check_predictions(self, recorded: Array) -> None:
        """Compare row by row, because pixels, scores and coefficients have different ranges."""
        for found, row in zip(host(self.predictions[:, ::4]), recorded, strict=True):
            self.verdict.compare("predictions", found / span(row), row / span(row), self.tolerances.share)

    def check_prototypes(self, recorded: Array) -> None:
        self._check("prototypes", self.prototypes[::2, ::4, ::4], recorded, span(recorded))

    def check_count(self, recorded: Array) -> None:
        found = int((self.predictions[SCORE] > self._parameters.pred_iou_thresh).sum())
        self.verdict.note("candidates", abs(found - int(recorded)), 0)

    def check_boxes(self, recorded: Array) -> None:
        if len(self._detections) != len(recorded):
            self.verdict.problems.append(f"{len(self._detections)} detections, recorded were {len(recorded)}")
            return
        self._check("boxes", torch.from_numpy(self._detections.boxes), recorded[:, BOX], span(recorded[:, BOX]))
        self._check("scores", torch.from_numpy(self._detections.scores), recorded[:, SCORE], 1.0)

    def check_number(self, recorded: Array) -> None:
        self.verdict.note("number of masks", abs(len(self._instances) - int(recorded)), 0)

    def check_masks(self, _packed: Array) -> None:
        for found, recorded in zip(self._instances.masks.counts, self._recorded("masks"), strict=False):
            self._check_mask(found, recorded)

    def check_areas(self, recorded: Array) -> None:
        found = self._instances.masks.areas
        if len(found) != len(recorded):
            self.verdict.problems.append(f"{len(found)} masks, recorded were {len(recorded)}")
            return
        allowed = np.maximum(TURNING_PIXELS, (1 - self.tolerances.mask_iou) * recorded)
        self.verdict.note("areas", float((np.abs(found - recorded) / allowed).max(initial=0.0)), 1.0)

    def _check(self, kind: str, found: Tensor, recorded: Array, scale: float) -> None:
        self.verdict.compare(kind, host(found), recorded, self.tolerances.share * scale)

    def _check_mask(self, counts: str, recorded: NDArray[np.bool_]) -> None:
        found = decode_mask(counts, self._size)
        wrong = np.count_nonzero(found != recorded)
        off = wrong / np.count_nonzero(found | recorded) if wrong > TURNING_PIXELS else 0.0
        self.verdict.note("masks", off, 1 - self.tolerances.mask_iou)

    def _recorded(self, name: str) -> NDArray[np.bool_]:
        shape = self.case.golden[f"{name}_shape"]
        bits = np.unpackbits(self.case.golden[name], count=int(np.prod(shape)))
        return np.asarray(bits.reshape(shape).astype(bool))

    def _prompted_mask(self, prompt: str | None, auto: str | None) -> str:
        if prompt is not None:
            wanted = self.case.prompts[int(prompt)]
        elif auto == "box":
            x0, y0, x1, y1 = map(float, self.case.golden["auto_box"])
            wanted = Prompt(box=(x0, y0, x1, y1))
        else:
            which, labels = AUTO[str(auto)]
            wanted = Prompt(tuple((float(x), float(y)) for x, y in self.case.golden["auto_points"][which]), labels)
        return answer(wanted, 0, self._instances).counts

    @property
    def _size(self) -> tuple[int, int]:
        height, width, _ = self.case.image.shape
        return height, width

    @property
    def _parameters(self) -> EverythingParameters:
        conf, iou = float(self.case.golden["conf"]), float(self.case.golden["nms_iou"])
        return EverythingParameters(
            sampler="instances", pred_iou_thresh=conf, box_nms_thresh=iou, stability_score_thresh=0.0
        )

    @cached_property
    def _detections(self) -> Detections:
        return self.network.detections(self.predictions, self._size, of_instances(self._parameters))

    @cached_property
    def _instances(self) -> Instances:
        return self.network.instances(self._detections, self.prototypes, self._size, self._parameters)


def _shape(of: Callable[[Subject], Tensor]) -> Callable[[Subject, Array], None]:
    def check(subject: Subject, recorded: Array) -> None:
        if list(of(subject).shape) != recorded.tolist():
            subject.verdict.problems.append(f"shape {list(of(subject).shape)}, recorded was {recorded.tolist()}")

    return check


def _statistics(of: Callable[[Subject], Tensor], kind: str, which: str) -> Callable[[Subject, Array], None]:
    def check(subject: Subject, recorded: Array) -> None:
        rows = of(subject).flatten(1)
        found = rows.mean(1) if which == "mean" else rows.std(1, correction=0)
        scale = host(rows.amax(1) - rows.amin(1))
        subject.verdict.compare(f"{kind} statistics", host(found) / scale, recorded / scale, subject.tolerances.share)

    return check


def _predictions(subject: Subject) -> Tensor:
    return subject.predictions


def _prototypes(subject: Subject) -> Tensor:
    return subject.prototypes


CHECKS: Mapping[str, Callable[[Subject, Array], None]] = {
    "pixels_probe": Subject.check_pixels,
    "input_shape": _shape(lambda subject: subject.pixels),
    "raw_pred_shape": _shape(_predictions),
    "raw_pred_sub4": Subject.check_predictions,
    "raw_pred_mean": _statistics(_predictions, "prediction", "mean"),
    "raw_pred_std": _statistics(_predictions, "prediction", "std"),
    "proto_shape": _shape(_prototypes),
    "proto_sub": Subject.check_prototypes,
    "proto_mean": _statistics(_prototypes, "prototype", "mean"),
    "proto_std": _statistics(_prototypes, "prototype", "std"),
    "n_candidates": Subject.check_count,
    "boxes": Subject.check_boxes,
    "n_masks": Subject.check_number,
    "masks": Subject.check_masks,
    "mask_area": Subject.check_areas,
}


@torch.inference_mode()
def check_case(network: InstanceNetwork, case: Case, tolerances: Tolerances, verdict: Verdict) -> None:
    processor = network.processor
    pixels = processor.network_input([processor.resize(case.image)], network.device)
    predictions, *prototypes = (part[0] for part in network.encode(pixels))
    nothing = torch.zeros(0, 0, 0)
    Subject(network, case, tolerances, verdict, pixels, predictions, prototypes[0] if prototypes else nothing).check()
