"""SegEvery: all masks of an image, deciding at every step as the official automatic mask generator does.

Source: segment_anything/automatic_mask_generator.py. What differs cannot be seen in the result: masks under the IoU
threshold are dropped before they are drawn at all, and each chunk leaves only run-length codes behind.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import decode_mask, encode_mask
from samfleet.variants.task import EverythingParameters
from samfleet_models.candidates import Candidates
from samfleet_models.chunks import in_chunks
from samfleet_models.folded.context import ImageContext
from samfleet_models.grid import Crop, crops, layer_points_per_side, point_grid
from samfleet_models.mask_decoder import MULTI
from samfleet_models.network import SamNetwork
from samfleet_models.nms import nms
from samfleet_models.preprocess import Frame
from samfleet_models.prompt_encoder import Label
from samfleet_models.reading import Placement, ReadMasks, Selection, mask_boxes, read_masks
from samfleet_models.regions import remove_small_regions
from samfleet_models.timing import StageClock

EncodeCrop = Callable[[Crop], Tensor]


class EverythingRun:
    """One image's SegEvery. `encode` gives the embedding [1, 256, S/16, S/16] of a crop, the whole image included."""

    def __init__(
        self,
        network: SamNetwork,
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
        self._selection = Selection(
            stability_offset=parameters.stability_score_offset,
            stability_thresh=_active(parameters.stability_score_thresh),
            drop_cut_by_crop=True,
        )

    def masks(self) -> tuple[MaskRecord, ...]:
        parameters = self._parameters
        parts = crops(*self._size, parameters.crop_n_layers, parameters.crop_overlap_ratio)
        found = Candidates.joined([self._crop(part) for part in parts])
        with self._clock.measure("postprocess"):
            if len(parts) > 1:
                found = found.take(_smaller_crops_first(found, parameters.crop_nms_thresh))
            if parameters.min_mask_region_area > 0:
                found = _without_small_regions(found, self._size, parameters)
            return found.records(self._size)

    def _crop(self, crop: Crop) -> Candidates:
        """The crop's masks, duplicates within it removed in favour of the higher predicted IoU."""
        parameters = self._parameters
        embedding = self._encode(crop)
        frame = Frame.of(*crop.size, self._network.input_size)
        per_side = layer_points_per_side(
            parameters.points_per_side, parameters.crop_n_points_downscale_factor, crop.layer
        )
        points = point_grid(per_side) * np.array(crop.size[::-1])
        with self._clock.measure("decode"):
            context = self._network.decoder.prepare(embedding)
        chunk = self._network.prompts_per_pass(parameters.points_per_batch)
        parts = in_chunks(
            len(points),
            chunk,
            lambda rows: self._chunk(context, points[rows], crop, frame),
            self._network.release_memory,
        )
        found = Candidates.joined(list(parts))
        with self._clock.measure("postprocess"):
            return found.take(nms(found.masks.boxes, found.ious, parameters.box_nms_thresh))

    def _chunk(self, context: ImageContext, points: NDArray[np.float64], crop: Crop, frame: Frame) -> Candidates:
        """The masks of `points` that pass. Only those whose predicted IoU does are drawn."""
        decoder = self._network.decoder
        with self._clock.measure("decode"):
            scored = decoder.score(context, *point_prompts(frame.to_input(points), self._network.device))
            ious = scored.ious[:, MULTI]
            threshold = _active(self._parameters.pred_iou_thresh)
            keep = ious > threshold if threshold is not None else torch.ones_like(ious, dtype=torch.bool)
            rows, columns = keep.nonzero().T
            low_res = decoder.draw(scored, rows, columns + MULTI.start)
        with self._clock.measure("postprocess"):
            masks = read_masks(low_res, frame, Placement(crop.box, self._size), self._selection)
            x0, y0, _, _ = crop.box
            return Candidates(
                masks=masks,
                ious=ious[keep].float().cpu().numpy()[masks.source],
                points=points[rows.cpu().numpy()[masks.source]] + np.array([x0, y0]),
                crops=np.tile(np.array(crop.box, dtype=np.int64), (len(masks.source), 1)),
            )


def point_prompts(points: NDArray[np.float64], device: torch.device) -> tuple[Tensor, Tensor]:
    """One foreground point per prompt with its padding point: coords [B, 2, 2] and labels [B, 2].

    Coordinates stay float64: so they reach the prompt encoder in the official generator.
    """
    coords = torch.from_numpy(np.stack([points, np.zeros_like(points)], axis=1)).to(device)
    labels = torch.tensor([Label.FOREGROUND, Label.PADDING], device=device).expand(len(points), -1)
    return coords, labels


def _active(threshold: float) -> float | None:
    """Thresholds at or below zero are switched off."""
    return threshold if threshold > 0.0 else None


def _smaller_crops_first(found: Candidates, iou_threshold: float) -> NDArray[np.int64]:
    x0, y0, x1, y1 = found.crops.T
    areas = ((x1 - x0) * (y1 - y0)).astype(np.float32)
    return nms(found.masks.boxes, np.float32(1) / areas, iou_threshold)


def _without_small_regions(found: Candidates, size: tuple[int, int], parameters: EverythingParameters) -> Candidates:
    """Small holes, then small islands removed; duplicates that this made removed in favour of untouched masks."""
    masks = found.masks
    counts, boxes, areas = list(masks.counts), masks.boxes.copy(), masks.areas.copy()
    untouched = np.ones(len(found), dtype=np.float32)
    for row, code in enumerate(masks.counts):
        filled, had_holes = remove_small_regions(decode_mask(code, size), parameters.min_mask_region_area, "holes")
        clean, had_islands = remove_small_regions(filled, parameters.min_mask_region_area, "islands")
        if had_holes or had_islands:
            untouched[row] = 0
            counts[row], areas[row] = encode_mask(clean), clean.sum()
            boxes[row] = mask_boxes(torch.from_numpy(clean)[None])[0].numpy()
    changed = Candidates(
        ReadMasks(masks.source, counts, boxes, areas, masks.stability), found.ious, found.points, found.crops
    )
    threshold = max(parameters.box_nms_thresh, parameters.crop_nms_thresh)
    return changed.take(nms(boxes, untouched, threshold))
