"""A variant that finds all objects of an image at once. SegEvery returns all of them; prompts select from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor

from samfleet.errors import SamfleetError
from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_models.batching.requests import ImageTask
from samfleet_models.checkpoints.layouts import read_published
from samfleet_models.device.timing import StageClock
from samfleet_models.images.loading import LoadedImage
from samfleet_models.images.transforms import Resized
from samfleet_models.modeling.common import Features
from samfleet_models.networks.undecoded import UndecodedNetwork
from samfleet_models.networks.yolo.detections import (
    Detections,
    Thresholds,
    detect,
    in_image,
    snapped,
    with_whole_frames,
)
from samfleet_models.networks.yolo.processor import LetterboxProcessor
from samfleet_models.networks.yolo.prompt_matching import answer, record_of
from samfleet_models.networks.yolo.prototype_masks import Instances, draw_instances
from samfleet_models.networks.yolo.yolov8 import YoloSeg, build_yolo
from samfleet_models.networks.yolo.yolov8_fused import fuse_yolo
from samfleet_models.precision.dtypes import DTYPES

IMAGES_PER_PASS = {"cpu": 1, "cuda": 16}


class CompilationUnsupported(SamfleetError):
    """The variant takes images of many shapes, which cannot be compiled; serve it without compilation."""

    code = "compilation_unsupported"


class InstanceNetwork(UndecodedNetwork):
    """The published network of a record and its fused form."""

    network: YoloSeg

    def __init__(self, record: VariantRecord, execution: Execution | None = None) -> None:
        super().__init__(record, execution, build_yolo(record.architecture))
        self.processor = LetterboxProcessor.of(record)

    def load(self, files: Mapping[str, Path]) -> None:
        self.load_published(read_published(self._record.checkpoint, files["network"]))

    def warm_up(self) -> float | None:
        if self.execution.compilation != "none":
            raise CompilationUnsupported(
                f"{self._record.name} takes images of many shapes and does not support "
                f"{self.execution.compilation}; serve it in {self.execution.precision} alone"
            )
        dtype = DTYPES[self.execution.precision]
        fused = fuse_yolo(self.network).to(dtype)

        def run(pixels: Tensor) -> Features:  # a module as attribute would add its keys to the official ones
            return tuple(part.float() for part in fused(pixels.to(dtype)) if part is not None)

        self._running = run
        return None

    def encode(self, pixels: Tensor) -> Features:
        """Return predictions [B, 5 + C, N] and, if the network has masks, prototypes [B, C, H/4, W/4], float32.

        `pixels` [B, 3, H, W] float32 are preprocessed.
        """
        if self._running is None:
            self.warm_up()
        return cast("Callable[[Tensor], Features]", self._running)(pixels)

    @torch.inference_mode()
    def embed(self, resized: Sequence[Resized], clock: StageClock) -> list[Features]:
        """Return each image's features [1, ...]; images of one shape go through the network together."""
        by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, image in enumerate(resized):
            by_shape[image.shape].append(index)
        features: dict[int, Features] = {}
        for indices in by_shape.values():
            for start in range(0, len(indices), self.images_per_pass):
                part = indices[start : start + self.images_per_pass]
                with clock.measure("preprocess" if self.device.type == "cpu" else "encode"):  # by where it runs
                    pixels = self.processor.network_input([resized[index] for index in part], self.device)
                with clock.measure("encode"):
                    together = self.encode(pixels)
                features |= {index: tuple(own[row : row + 1] for own in together) for row, index in enumerate(part)}
        return [features[index] for index in range(len(resized))]

    def segment(self, request: SegmentRequest, image: LoadedImage, features: Features, clock: StageClock) -> ImageTask:
        yield from ()  # a generator without decode requests
        task = request.task
        asked = task if isinstance(task, EverythingParameters) and not task.prompted else self._record.everything
        with clock.measure("decode"):
            found = self.detections(features[0][0], image.frame.original, of_instances(asked))
        with clock.measure("postprocess"):
            instances = self.instances(found, features[1][0], image.frame.original, asked)
            if asked is task:
                return tuple(record_of(instances, int(row)) for row in np.flatnonzero(instances.masks.areas))
            return tuple(answer(prompt, index, instances) for index, prompt in enumerate(request.prompts))

    def detections(self, predictions: Tensor, size: tuple[int, int], thresholds: Thresholds) -> Detections:
        """Return the objects in predictions [5 + C, N] of an image of `size` (height, width), boxes in its pixels."""
        found = detect(predictions, thresholds)
        letterbox = self.processor.letterbox(*size)
        boxes = snapped(found.boxes, letterbox.shape)
        if self._record.role == "segmenter":
            boxes = with_whole_frames(boxes, letterbox.shape)
        return Detections(in_image(boxes, letterbox), found.scores, found.coefficients)

    def instances(
        self, found: Detections, prototypes: Tensor, size: tuple[int, int], asked: EverythingParameters
    ) -> Instances:
        """Return the masks of detections, filtered by stability if `asked` has a threshold."""
        least = asked.stability_score_thresh if asked.stability_score_thresh > 0.0 else None
        return draw_instances(found, prototypes, size, (asked.stability_score_offset, least))

    def prompts_per_pass(self, asked: int | Literal["auto"] = "auto", points: int = 2) -> int:
        del asked, points
        return 1

    @property
    def images_per_pass(self) -> int:
        return IMAGES_PER_PASS[self.device.type]


def of_instances(asked: EverythingParameters) -> Thresholds:
    """Return a detector's thresholds from the parameters of the sampler `instances`."""
    return Thresholds(asked.pred_iou_thresh, asked.box_nms_thresh, asked.max_detections)
