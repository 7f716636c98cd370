"""A variant that segments the region around each box with one small network. It takes boxes alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor

from samfleet.errors import SamfleetError
from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import encode_mask
from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_models.batching.requests import ImageTask, Pause
from samfleet_models.checkpoints.loading import read_state
from samfleet_models.device.timing import StageClock
from samfleet_models.images.loading import LoadedImage
from samfleet_models.images.transforms import Pixels, Resized, to_network_input
from samfleet_models.images.whole_image import WholeImage
from samfleet_models.mask_generation.candidates import xywh
from samfleet_models.modeling.common import Features
from samfleet_models.networks.pico.regions import REGIONS, Region, RegionKind, cut, paste
from samfleet_models.networks.pico.unet import DESIGNS, Design, UNetSizes
from samfleet_models.networks.undecoded import UndecodedNetwork
from samfleet_models.postprocess.masks import mask_boxes
from samfleet_models.precision.dtypes import DTYPES

REGIONS_PER_PASS = {"cpu": 8, "cuda": 256}


class RegionCompilationUnsupported(SamfleetError):
    """The variant computes batches of any size and is not compiled; serve it without compilation."""

    code = "region_compilation_unsupported"


class RegionNetwork(UndecodedNetwork):
    """The network of a record. It computes no features of images."""

    def __init__(self, record: VariantRecord, execution: Execution | None = None) -> None:
        design = DESIGNS[cast("Design", record.architecture["design"])]
        super().__init__(record, execution, design(cast("UNetSizes", record.architecture.get("sizes", UNetSizes()))))
        self.processor = WholeImage(record)
        self._region = REGIONS[cast("RegionKind", record.architecture["region"])]

    def load(self, files: Mapping[str, Path]) -> None:
        self.load_published(read_state(files["network"], self._record.checkpoint.state_key))

    def warm_up(self) -> float | None:
        if self.execution.compilation != "none":
            raise RegionCompilationUnsupported(f"{self._record.name}: {RegionCompilationUnsupported.__doc__}")
        dtype = DTYPES[self.execution.precision]
        running = deepcopy(self.network).to(dtype).eval()
        self._running = lambda pixels: running(pixels.to(dtype)).float()  # a module would add its keys to the published
        return None

    def embed(self, resized: Sequence[Resized], clock: StageClock) -> list[Features]:
        """Return no features: the network sees only regions."""
        del clock
        return [() for _ in resized]

    @torch.inference_mode()
    def logits(self, regions: Sequence[Pixels]) -> Tensor:
        """Return logits [n, S, S] float32 of regions [S, S, 3] uint8."""
        if self._running is None:
            self.warm_up()
        rules = self._record.conventions.preprocessing
        pixels = to_network_input(regions, self._record.input_size, rules, self.device)
        return cast("Callable[[Tensor], Tensor]", self._running)(pixels)[:, 0]

    def segment(self, request: SegmentRequest, image: LoadedImage, features: Features, clock: StageClock) -> ImageTask:
        del features
        task = request.task
        offset = task.stability_score_offset if isinstance(task, EverythingParameters) else 1.0
        size, side = image.frame.original, self._record.input_size
        found: list[MaskRecord] = []
        regions = [self._region(cast("Any", prompt.box), size, side) for prompt in request.prompts]
        for start in range(0, len(regions), self.regions_per_pass):
            yield Pause()
            part = regions[start : start + self.regions_per_pass]
            with clock.measure("decode"):
                logits = dict(self._of(cast("Pixels", image.resized), part))  # as it is: `WholeImage`
            with clock.measure("postprocess"):
                for row, region in enumerate(part):
                    own = logits.get(row, torch.zeros(side, side))
                    found.append(record_of(own, region, size, offset, start + row))
        return tuple(found)

    def _of(self, image: Pixels, regions: Sequence[Region]) -> Iterator[tuple[int, Tensor]]:
        """Yield (row, logits [S, S]) of the regions that are not empty."""
        rows = [row for row, region in enumerate(regions) if not region.empty]
        if rows:
            side = self._record.input_size
            yield from zip(rows, self.logits([cut(image, regions[row], side) for row in rows]), strict=True)

    def prompts_per_pass(self, asked: int | Literal["auto"] = "auto", points: int = 2) -> int:
        del asked, points
        return self.regions_per_pass

    @property
    def regions_per_pass(self) -> int:
        return REGIONS_PER_PASS[self.device.type]


def record_of(logits: Tensor, region: Region, size: tuple[int, int], offset: float, index: int) -> MaskRecord:
    """Return the mask of logits [S, S] of a region.

    The network predicts no IoU; `predicted_iou` is the mean probability of the logits above 0. The stability score is
    the official generator's: the IoU of the masks whose thresholds are shifted by `offset` up and down.
    """
    mask, inner, outer = paste(logits, region, size, (0.0, offset, -offset))
    sure = logits[logits > 0]
    return MaskRecord(
        counts=encode_mask(mask),
        size=size,
        area=int(mask.sum()),
        bbox=xywh(mask_boxes(torch.from_numpy(mask)[None])[0].numpy().astype(np.float32)),
        predicted_iou=float(sure.sigmoid().mean()) if mask.any() and len(sure) else 0.0,
        stability_score=float(inner.sum() / outer.sum()) if outer.any() else 0.0,
        prompt_index=index,
    )
