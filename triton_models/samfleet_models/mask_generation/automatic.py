"""SegEvery: all masks of an image, with the decisions of the official automatic mask generator.

Source: segment_anything/automatic_mask_generator.py. Two differences do not affect the result: masks below the IoU
threshold are dropped before they are drawn, and each chunk keeps only run-length codes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np
import torch
from numpy.typing import NDArray

from samfleet.masks.rle import decode_mask, encode_mask
from samfleet.variants.task import EverythingParameters
from samfleet_models.batching.interface import Network
from samfleet_models.batching.requests import DecodeResult, ImageTask, Pause, View
from samfleet_models.device.timing import StageClock
from samfleet_models.mask_generation.candidates import Candidates
from samfleet_models.mask_generation.crop_view import CropView, SamplerTask
from samfleet_models.mask_generation.point_grid import Crop, crops
from samfleet_models.mask_generation.samplers import POINT_SAMPLERS
from samfleet_models.modeling.common import Features
from samfleet_models.ops.nms import nms
from samfleet_models.ops.small_regions import remove_small_regions
from samfleet_models.postprocess.masks import CropPlacement, EncodedMasks, mask_boxes

EncodeCrop = Callable[[Crop], Features]


class AutomaticMaskGenerator:
    """SegEvery on one image. `encode` returns the features of a crop, including the whole image."""

    def __init__(
        self,
        network: Network,
        size: tuple[int, int],
        parameters: EverythingParameters,
        encode: EncodeCrop,
        clock: StageClock,
    ) -> None:
        self._network = network
        self._size = size
        self._parameters = parameters
        self._encode = encode
        self._clock = clock

    def masks(self) -> ImageTask:
        parameters = self._parameters
        parts = crops(*self._size, parameters.crop_n_layers, parameters.crop_overlap_ratio)
        found = Candidates.joined([])
        for part in parts:
            found = Candidates.joined([found, (yield from self._crop(part))])
        with self._clock.measure("postprocess"):
            if len(parts) > 1:
                found = found.take(_smaller_crops_first(found, parameters.crop_nms_thresh))
            if parameters.min_mask_region_area > 0:
                found = yield from _without_small_regions(found, self._size, parameters)
            return found.records(self._size)

    def _crop(self, crop: Crop) -> SamplerTask:
        """Return the crop's masks after NMS within the crop, which keeps the higher predicted IoU."""
        found = yield from POINT_SAMPLERS[self._parameters.sampler](self._view(crop))
        with self._clock.measure("postprocess"):
            return found.take(nms(found.masks.boxes, found.ious, self._parameters.box_nms_thresh))

    def _view(self, crop: Crop) -> CropView:
        features = self._encode(crop)
        with self._clock.measure("decode"):
            context = self._network.decoder.prepare(features)
        processor = self._network.processor
        view = View(context, processor.frame(*crop.size), CropPlacement(crop.box, self._size))
        return CropView(crop, view, features[0], self._parameters, processor.conventions)


def _smaller_crops_first(found: Candidates, iou_threshold: float) -> NDArray[np.int64]:
    x0, y0, x1, y1 = found.crops.T
    areas = ((x1 - x0) * (y1 - y0)).astype(np.float32)
    return nms(found.masks.boxes, np.float32(1) / areas, iou_threshold)


def _without_small_regions(
    found: Candidates, size: tuple[int, int], parameters: EverythingParameters
) -> Generator[Pause, DecodeResult, Candidates]:
    """Remove small holes, then small islands, then the duplicates that this created; untouched masks win."""
    masks = found.masks
    counts, boxes, areas = list(masks.counts), masks.boxes.copy(), masks.areas.copy()
    untouched = np.ones(len(found), dtype=np.float32)
    for row, code in enumerate(masks.counts):
        yield Pause()  # a mask of a large image takes a second
        filled, had_holes = remove_small_regions(decode_mask(code, size), parameters.min_mask_region_area, "holes")
        clean, had_islands = remove_small_regions(filled, parameters.min_mask_region_area, "islands")
        if had_holes or had_islands:
            untouched[row] = 0
            counts[row], areas[row] = encode_mask(clean), clean.sum()
            boxes[row] = mask_boxes(torch.from_numpy(clean)[None])[0].numpy()
    changed = Candidates(
        EncodedMasks(masks.source, counts, boxes, areas, masks.stability), found.ious, found.points, found.crops
    )
    threshold = max(parameters.box_nms_thresh, parameters.crop_nms_thresh)
    return changed.take(nms(boxes, untouched, threshold))
