"""ultralytics' SAM predictor with the same weights."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.cases import Box
from benchmarks.contenders.interface import Mask, Options
from benchmarks.contenders.torchvision_operators import prepare_torchvision

# It recognises a model by the end of its file's name.
FILES = {"mobile_sam": "mobile_sam.pt", "sam_vit_b": "sam_b.pt", "sam_vit_l": "sam_l.pt", "sam_vit_h": "sam_h.pt"}
# As in its call `SAM(...)`; the last two only keep files and lines away.
SETTINGS: dict[str, Any] = {"mode": "predict", "imgsz": 1024, "conf": 0.25, "save": False, "verbose": False}


class Ultralytics:
    """`ultralytics.models.sam.Predictor`, which `ultralytics.SAM` calls too, but without a grid's size.

    It sets torch's threads to one less than the machine's cores, at most 8; `--threads` sets them afterwards.
    """

    def __init__(self, options: Options) -> None:
        prepare_torchvision()
        self._folder = tempfile.TemporaryDirectory()
        weights = Path(self._folder.name) / FILES[options.variant]
        weights.symlink_to(options.checkpoint)
        # It reads these at its import: no settings of the user, no installation of packages, no network.
        os.environ |= {"YOLO_CONFIG_DIR": self._folder.name, "YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true"}
        package = importlib.import_module("ultralytics.models.sam")
        self._predictor = package.Predictor(overrides={**SETTINGS, "model": str(weights), "device": options.device})
        self._predictor.setup_model(verbose=False)
        self._thresholds = {
            "conf_thres": options.thresholds["pred_iou_thresh"],
            "stability_score_thresh": options.thresholds["stability_score_thresh"],
        }
        self.device: torch.device = self._predictor.device

    def encode(self, image: Path) -> Callable[[], object]:
        self._predictor.setup_source(str(image))
        _, pictures, _ = next(iter(self._predictor.dataset))
        pixels = self._predictor.preprocess(pictures)

        def work() -> object:
            with torch.inference_mode():
                return self._predictor.get_im_features(pixels)

        return work

    def everything(self, image: Path, per_side: int) -> Sequence[Mask]:
        return _masks(self._predictor(source=str(image), points_stride=per_side, **self._thresholds))

    def boxes(self, image: Path, boxes: Sequence[Box]) -> Sequence[Mask]:
        return _masks(self._predictor(source=str(image), bboxes=[list(box) for box in boxes]))


def _masks(results: Sequence[Any]) -> Sequence[Mask]:
    """Return the masks of one image; it has None where there are none."""
    (result,) = results
    return [] if result.masks is None else list(result.masks.data)
