"""A variant with its own detector: SegEvery prompts its decoder with the boxes that the detector finds.

Source: `MobileSAMv2/Inference.py` of ChaoningZhang/MobileSAM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

import torch

from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, Prompt
from samfleet.wire.messages import SegmentRequest
from samfleet_models.batching.interface import Network
from samfleet_models.batching.requests import ImageTask
from samfleet_models.decoder.interface import Decoder
from samfleet_models.device.timing import StageClock
from samfleet_models.images.loading import LoadedImage, Processor
from samfleet_models.images.transforms import Resized
from samfleet_models.modeling.common import Features
from samfleet_models.networks.yolo.detections import Detections, Thresholds
from samfleet_models.networks.yolo.network import InstanceNetwork

DETECTOR = "detector"  # the companion file


class DetectorPrompted:
    """Delegates all requests to `network`. If boxes come from the detector, the detector runs on the image first."""

    def __init__(self, network: Network, detector: VariantRecord, execution: Execution | None = None) -> None:
        self._network = network
        precision = (execution or Execution()).precision
        self._detector = InstanceNetwork(detector, Execution(precision)).eval()

    def load(self, files: Mapping[str, Path]) -> None:
        self._network.load(files)
        self._detector.load({"network": files[DETECTOR]})

    def to(self, device: torch.device) -> Self:
        self._network.to(device)
        self._detector.to(device)
        return self

    def warm_up(self) -> float | None:
        self._detector.warm_up()
        return self._network.warm_up()

    def embed(self, resized: Sequence[Resized], clock: StageClock) -> list[Features]:
        return self._network.embed(resized, clock)

    def segment(self, request: SegmentRequest, image: LoadedImage, features: Features, clock: StageClock) -> ImageTask:
        task = request.task
        if not isinstance(task, EverythingParameters) or task.sampler != "object_aware" or task.boxes_from != DETECTOR:
            return self._network.segment(request, image, features, clock)
        return self._detected(request, task, image, features, clock)

    def _detected(
        self,
        request: SegmentRequest,
        task: EverythingParameters,
        image: LoadedImage,
        features: Features,
        clock: StageClock,
    ) -> ImageTask:
        """Return one mask per detected box, highest score first.

        The prompts are not the client's, so no mask has a prompt index.
        """
        found = self.detect(image, task, clock)
        boxes = tuple(Prompt(box=(x0, y0, x1, y1)) for x0, y0, x1, y1 in found.boxes.tolist())
        if not boxes:
            return ()
        prompted = replace(request, task=replace(task, boxes_from="detections"), prompts=boxes)
        masks = yield from self._network.segment(prompted, image, features, clock)
        return tuple(replace(mask, prompt_index=None) for mask in masks)

    def detect(self, image: LoadedImage, task: EverythingParameters, clock: StageClock) -> Detections:
        """Return the objects of one image, with boxes in its pixels."""
        processor, size = self._detector.processor, image.frame.original
        with clock.measure("preprocess"):
            resized = processor.resize(image.pixels)
        ((predictions, *_),) = self._detector.embed([resized], clock)
        thresholds = Thresholds(task.detection_score_thresh, task.detection_nms_thresh, task.max_detections)
        with clock.measure("postprocess"):
            return self._detector.detections(predictions[0], size, thresholds)

    @property
    def processor(self) -> Processor:
        return self._network.processor

    @property
    def device(self) -> torch.device:
        return self._network.device

    @property
    def decoder(self) -> Decoder:
        return self._network.decoder

    def prompts_per_pass(self, asked: int | Literal["auto"] = "auto", points: int = 2) -> int:
        return self._network.prompts_per_pass(asked, points)

    @property
    def graph_bytes(self) -> int:
        return self._network.graph_bytes

    def release_memory(self) -> None:
        self._network.release_memory()
        self._detector.release_memory()
