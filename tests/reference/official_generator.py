"""SegEvery step by step as in segment_anything/automatic_mask_generator.py, without any shortcut.

Every chunk of 64 points is decoded in full, all of its masks are brought to the image's size before any is dropped, and
run lengths are made mask by mask: uncompressed first, compressed for the masks that remain at the end. Our engine works
differently and must give these masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from samfleet.variants.conventions import Preprocessing
from samfleet.variants.task import EverythingParameters
from samfleet_models.device.timing import StageClock
from samfleet_models.images.transforms import ImageFrame, Pixels, resize_to_frame, to_network_input
from samfleet_models.mask_generation.point_grid import Crop, crops, layer_points_per_side, point_grid
from samfleet_models.modeling.prompt_encoder import Label

POINTS_PER_BATCH = 64
MASK_THRESHOLD = 0.0
EDGE_TOLERANCE = 20.0

Encode = Callable[[Tensor], Tensor]  # [1, 3, S, S] to [1, 256, S/16, S/16]
Decode = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]  # like `PlainHeads.multimask`


@dataclass(frozen=True, slots=True)
class Found:
    """Masks found so far. `logits` becomes None once the run lengths `rles` are made.

    `ious`, `stability` [n]; `boxes` [n, 4] (x0, y0, x1, y1), inclusive; `points` [n, 2]; `crops` [n, 4].
    """

    ious: Tensor
    points: Tensor
    crops: Tensor
    logits: Tensor | None = None
    stability: Tensor | None = None
    boxes: Tensor | None = None
    rles: list[dict[str, Any]] | None = None

    def take(self, rows: Tensor) -> Found:
        """Return the rows with this index or this boolean of the same length."""
        index = rows.nonzero()[:, 0] if rows.dtype == torch.bool else rows
        changed = {
            name: value[index]
            for name in ("ious", "points", "crops", "logits", "stability", "boxes")
            if (value := getattr(self, name)) is not None
        }
        rles = None if self.rles is None else [self.rles[row] for row in index.tolist()]
        return replace(self, **changed, rles=rles)

    @classmethod
    def joined(cls, parts: list[Found]) -> Found:
        names = ("ious", "points", "crops", "stability", "boxes")
        fields = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
        return cls(**fields, rles=[rle for part in parts for rle in part.rles or ()])


class OfficialGenerator:
    """The generator of one variant. It does not remove small regions, because no compared parameter set does."""

    def __init__(
        self, encode: Encode, decode: Decode, input_size: int, rule: Preprocessing, device: torch.device
    ) -> None:
        self._encode = encode
        self._decode = decode
        self._input_size = input_size
        self._rule = rule
        self._device = device

    @torch.inference_mode()
    def generate(self, image: Pixels, parameters: EverythingParameters, clock: StageClock) -> list[dict[str, Any]]:
        """Return the masks of an image, HWC uint8 RGB, in the dictionaries of the official `coco_rle` output."""
        if parameters.min_mask_region_area > 0:
            raise ValueError("min_mask_region_area must be 0: the reference removes no small regions")
        height, width = image.shape[:2]
        parts = crops(height, width, parameters.crop_n_layers, parameters.crop_overlap_ratio)
        found = Found.joined([self._crop(image, part, parameters, clock) for part in parts])
        with clock.measure("postprocess"):
            if len(parts) > 1:
                x0, y0, x1, y1 = found.crops.float().T
                found = found.take(
                    suppress(_present(found.boxes), 1 / ((x1 - x0) * (y1 - y0)), parameters.crop_nms_thresh)
                )
            return list(_dictionaries(found))

    def _crop(self, image: Pixels, crop: Crop, parameters: EverythingParameters, clock: StageClock) -> Found:
        x0, y0, x1, y1 = crop.box
        frame = ImageFrame.of(*crop.size, self._input_size)
        with clock.measure("preprocess"):
            resized = resize_to_frame(image[y0:y1, x0:x1], frame)
            pixels = to_network_input([resized], self._input_size, self._rule, self._device)
        with clock.measure("encode"):
            embedding = self._encode(pixels)
        per_side = layer_points_per_side(
            parameters.points_per_side, parameters.crop_n_points_downscale_factor, crop.layer
        )
        points = point_grid(per_side) * np.array(crop.size[::-1])
        size = (image.shape[0], image.shape[1])
        found = Found.joined(
            [
                self._chunk(embedding, points[start : start + POINTS_PER_BATCH], crop, size, frame, parameters, clock)
                for start in range(0, len(points), POINTS_PER_BATCH)
            ]
        )
        with clock.measure("postprocess"):
            found = found.take(suppress(_present(found.boxes), found.ious, parameters.box_nms_thresh))
            offset = torch.tensor([x0, y0, x0, y0], device=self._device)
            return replace(found, boxes=_present(found.boxes) + offset, points=found.points + offset[:2])

    def _chunk(
        self,
        embedding: Tensor,
        points: NDArray[np.float64],
        crop: Crop,
        size: tuple[int, int],
        frame: ImageFrame,
        parameters: EverythingParameters,
        clock: StageClock,
    ) -> Found:
        with clock.measure("decode"):
            low_res, ious = self._decode(embedding, *point_prompts(frame.to_input(points), self._device))
        with clock.measure("postprocess"):
            masks_per_point = low_res.shape[1]
            logits = to_image_size(low_res, frame).flatten(0, 1)
            found = Found(
                logits=logits,
                ious=ious.flatten(),
                points=torch.from_numpy(points).to(self._device).repeat_interleave(masks_per_point, dim=0),
                crops=torch.tensor(crop.box, device=self._device).expand(len(logits), -1),
            )
            return _filtered(found, crop, size, parameters)


def point_prompts(points: NDArray[np.float64], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return each foreground point (network input's pixels) with its padding point: coords [B, 2, 2], labels [B, 2]."""
    coords = torch.from_numpy(np.stack([points, np.zeros_like(points)], axis=1)).to(device)
    return coords, torch.tensor([Label.FOREGROUND, Label.PADDING], device=device).expand(len(points), -1)


def to_image_size(low_res: Tensor, frame: ImageFrame) -> Tensor:
    """Bring logits [B, M, h, w] to the image's pixels: resize to the input, cut off padding, resize to the image."""
    square = (frame.input_size, frame.input_size)
    full = functional.interpolate(low_res, square, mode="bilinear", align_corners=False)
    inside = full[..., : frame.resized[0], : frame.resized[1]]
    return functional.interpolate(inside, frame.original, mode="bilinear", align_corners=False)


def stability_of(logits: Tensor, offset: float) -> Tensor:
    """Return the IoU of the masks at the threshold plus and minus `offset`; NaN if both are empty."""
    high = (logits > MASK_THRESHOLD + offset).sum(-1, dtype=torch.int16).sum(-1, dtype=torch.int32)
    low = (logits > MASK_THRESHOLD - offset).sum(-1, dtype=torch.int16).sum(-1, dtype=torch.int32)
    return high / low


def boxes_of(masks: Tensor) -> Tensor:
    """Return boxes [n, 4] (x0, y0, x1, y1), inclusive, of bool masks [n, h, w]; zeros for an empty mask."""
    ends = []
    for axis in (1, 2):  # columns, then rows
        line = masks.amax(dim=axis)
        where = torch.arange(line.shape[1], device=masks.device)
        ends.append((torch.where(line, where, line.shape[1]).amin(1), torch.where(line, where, -1).amax(1)))
    (left, right), (top, bottom) = ends
    filled = (right >= left) & (bottom >= top)
    return torch.stack([left, top, right, bottom], dim=1) * filled[:, None]


def run_lengths(masks: Tensor) -> list[dict[str, Any]]:
    """Return uncompressed column-major run lengths of bool masks [n, h, w], mask by mask, zeros first."""
    count, height, width = masks.shape
    columns = masks.permute(0, 2, 1).flatten(1)
    changes = (columns[:, 1:] ^ columns[:, :-1]).nonzero()
    total = torch.tensor([height * width], device=masks.device)
    zero = torch.zeros_like(total)
    codes = []
    for row in range(count):
        at = changes[changes[:, 0] == row, 1] + 1
        lengths = torch.cat([zero, at, total]).diff().tolist()
        codes.append({"size": [height, width], "counts": [0, *lengths] if bool(columns[row, 0]) else lengths})
    return codes


def suppress(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Return the rows that survive greedy suppression by box IoU, by descending score, the earlier first on ties."""
    order = torch.argsort(scores.cpu(), descending=True, stable=True)
    x0, y0, x1, y1 = boxes.float().cpu()[order].T
    areas = (x1 - x0) * (y1 - y0)
    alive = torch.ones(len(order), dtype=torch.bool)
    for row in range(len(order)):
        if not alive[row]:
            continue
        rest = slice(row + 1, None)
        width = (torch.minimum(x1[row], x1[rest]) - torch.maximum(x0[row], x0[rest])).clamp(min=0)
        height = (torch.minimum(y1[row], y1[rest]) - torch.maximum(y0[row], y0[rest])).clamp(min=0)
        overlap = width * height
        alive[rest] &= ~((overlap / (areas[row] + areas[rest] - overlap)).double() > iou_threshold)
    return order[alive].to(boxes.device)


def _filtered(found: Found, crop: Crop, size: tuple[int, int], parameters: EverythingParameters) -> Found:
    """Apply the three filters to a chunk's masks in their order, and replace logits by run lengths."""
    if parameters.pred_iou_thresh > 0.0:
        found = found.take(found.ious > parameters.pred_iou_thresh)
    found = replace(found, stability=stability_of(_present(found.logits), parameters.stability_score_offset))
    if parameters.stability_score_thresh > 0.0:
        found = found.take(_present(found.stability) >= parameters.stability_score_thresh)
    masks = _present(found.logits) > MASK_THRESHOLD
    found = replace(found, logits=masks, boxes=boxes_of(masks))
    found = found.take(~_cut_by_crop(_present(found.boxes), crop, size))
    x0, y0, x1, y1 = crop.box
    whole = functional.pad(_present(found.logits), (x0, size[1] - x1, y0, size[0] - y1))
    return replace(found, logits=None, rles=run_lengths(whole), ious=found.ious.float())


def _cut_by_crop(boxes: Tensor, crop: Crop, size: tuple[int, int]) -> Tensor:
    """Return which boxes (the crop's pixels) touch an edge of the crop that is not an edge of the image."""
    x0, y0, _, _ = crop.box
    whole = boxes.float() + torch.tensor([x0, y0, x0, y0], dtype=torch.float32, device=boxes.device)
    image = torch.tensor([0, 0, size[1], size[0]], dtype=torch.float32, device=boxes.device)
    edges = torch.tensor(crop.box, dtype=torch.float32, device=boxes.device)
    near_crop, near_image = ((whole - line).abs() <= EDGE_TOLERANCE for line in (edges, image))
    return (near_crop & ~near_image).any(dim=1)


def _dictionaries(found: Found) -> Iterator[dict[str, Any]]:
    from pycocotools import mask as coco_mask

    boxes, stability = _present(found.boxes), _present(found.stability)
    for row, rle in enumerate(found.rles or ()):
        height, width = rle["size"]
        x0, y0, x1, y1 = boxes[row].tolist()
        left, top, right, bottom = found.crops[row].tolist()
        yield {
            "segmentation": {
                "size": rle["size"],
                "counts": coco_mask.frPyObjects(rle, height, width)["counts"].decode("ascii"),
            },
            "area": sum(rle["counts"][1::2]),
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "predicted_iou": float(found.ious[row]),
            "stability_score": float(stability[row]),
            "point_coords": [found.points[row].tolist()],
            "crop_box": [left, top, right - left, bottom - top],
        }


def _present(value: Tensor | None) -> Tensor:
    if value is None:
        raise ValueError("this step comes after the one that makes the value")
    return value
