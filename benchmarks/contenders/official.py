"""The official packages: MobileSAM and segment-anything, from a checkout or an installation."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.cases import Box
from benchmarks.contenders.interface import Mask, Options
from benchmarks.contenders.torchvision_operators import prepare_torchvision

# Package and name in its registry, for the variants that official packages have.
MODELS = {
    "mobile_sam": ("mobile_sam", "vit_t"),
    "sam_vit_b": ("segment_anything", "vit_b"),
    "sam_vit_l": ("segment_anything", "vit_l"),
    "sam_vit_h": ("segment_anything", "vit_h"),
}


class Official:
    """`SamAutomaticMaskGenerator` and `SamPredictor`, called as their notebooks do."""

    def __init__(self, options: Options) -> None:
        self.device = torch.device(options.device)
        self._package, model = load(options)
        self._model = model.to(self.device)
        self._predictor = self._package.SamPredictor(self._model)
        self._thresholds = options.thresholds

    def encode(self, image: Path) -> Callable[[], object]:
        resized = self._predictor.transform.apply_image(read(image))
        pixels = torch.as_tensor(resized, device=self.device).permute(2, 0, 1).contiguous()[None]
        prepared = self._model.preprocess(pixels)

        def work() -> object:
            with torch.no_grad():
                return self._model.image_encoder(prepared)

        return work

    def everything(self, image: Path, per_side: int) -> Sequence[Mask]:
        generator = self._package.SamAutomaticMaskGenerator(
            self._model, points_per_side=per_side, output_mode="uncompressed_rle", **self._thresholds
        )
        return [found["segmentation"] for found in generator.generate(read(image))]

    def boxes(self, image: Path, boxes: Sequence[Box]) -> Sequence[Mask]:
        pixels = read(image)
        self._predictor.set_image(pixels)
        given = torch.tensor(boxes, device=self.device)
        masks, _, _ = self._predictor.predict_torch(
            point_coords=None,
            point_labels=None,
            boxes=self._predictor.transform.apply_boxes_torch(given, pixels.shape[:2]),
            multimask_output=False,
        )
        return list(masks[:, 0].cpu().numpy())


def load(options: Options) -> tuple[Any, Any]:
    """Return the package and its model with the weights."""
    if options.official is None:
        raise ValueError("the official package needs --official PATH")
    prepare_torchvision()
    name, kind = MODELS[options.variant]
    sys.path.insert(0, options.official)
    package = importlib.import_module(name)
    model = package.sam_model_registry[kind](checkpoint=options.checkpoint)
    model.train(mode=False)
    return package, model


def read(image: Path) -> NDArray[np.uint8]:
    """Return the image as HWC uint8 RGB."""
    with Image.open(image) as opened:
        return np.asarray(opened.convert("RGB"))
