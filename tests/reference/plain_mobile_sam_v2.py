"""MobileSAMv2 written plainly, step by step as its script runs: MobileSAMv2/Inference.py of ChaoningZhang/MobileSAM.

It is composed of parts that are compared with recorded outputs of the official code: the published form of the detector
and its letterbox (`mobilesamv2_object_aware`), the published form of MobileSAM's encoder and its preprocessing, and the
plain heads (`mobile_sam`). The steps between them are written here again: selection of boxes, their way from the
detector's frame to the decoder's, and the way of masks to the image. No step shares code with the engine's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from reference.nms import nms_slowly
from reference.plain_heads import PlainHeads
from samfleet.variants.task import EverythingParameters
from samfleet_models.modeling.prompt_encoder import Label
from samfleet_models.networks.yolo.letterbox import Letterbox, letterboxed

SNAP = 20  # pixels
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)

Boxes = NDArray[np.float32]


@dataclass(frozen=True)
class PlainMobileSamV2:
    """The parts, with the sides in pixels of the inputs of detector and encoder."""

    detector: nn.Module
    detector_size: int
    encoder: nn.Module
    heads: PlainHeads
    size: int

    @torch.inference_mode()
    def segment(self, image: NDArray[np.uint8], asked: EverythingParameters) -> tuple[Tensor, Tensor]:
        """Return masks [n, H, W] and predicted IoUs [n] of an RGB image, in the order of the detector's scores."""
        boxes = self.boxes(image, asked)
        height, width, _ = image.shape
        scale = self.size / max(height, width)
        inner = int(height * scale + 0.5), int(width * scale + 0.5)
        corners = boxes.reshape(-1, 2, 2).astype(np.float64) * [inner[1] / width, inner[0] / height]
        labels = torch.tensor([[Label.BOX_TOP_LEFT, Label.BOX_BOTTOM_RIGHT]]).repeat(len(boxes), 1)
        logits, ious = self.heads(self._embedding(image, inner), torch.from_numpy(corners).float(), labels)
        full = functional.interpolate(logits[:, :1], (self.size, self.size), mode="bilinear", align_corners=False)
        full = functional.interpolate(
            full[..., : inner[0], : inner[1]], (height, width), mode="bilinear", align_corners=False
        )
        return full[:, 0] > 0, ious[:, 0]

    @torch.inference_mode()
    def boxes(self, image: NDArray[np.uint8], asked: EverythingParameters) -> Boxes:
        """Return the detector's boxes [n, 4] (x0, y0, x1, y1) in pixels of the image."""
        frame = Letterbox.of(image.shape[0], image.shape[1], self.detector_size)
        bgr = letterboxed(image, frame)[:, :, ::-1].transpose(2, 0, 1).astype(np.float32) / 255
        predictions, _ = self.detector(torch.from_numpy(bgr)[None])
        rows = predictions[0].T.numpy()
        rows = rows[rows[:, 4] > asked.detection_score_thresh]
        boxes = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], axis=1)
        kept = nms_slowly(boxes, rows[:, 4], asked.detection_nms_thresh)[: asked.max_detections]
        return np.array([self._in_image(box, frame) for box in boxes[kept]], np.float32).reshape(-1, 4)

    @staticmethod
    def _in_image(box: Boxes, frame: Letterbox) -> list[float]:
        """Move sides that are close to the detector's frame onto it, then undo the letterbox."""
        (height, width), (rows, columns) = frame.original, frame.shape
        x0, y0, x1, y1 = map(float, box)
        x0, y0 = (0 if x0 < SNAP else x0), (0 if y0 < SNAP else y0)
        x1, y1 = (columns if x1 > columns - SNAP else x1), (rows if y1 > rows - SNAP else y1)
        gain = min(rows / height, columns / width)
        left, top = round((columns - width * gain) / 2 - 0.1), round((rows - height * gain) / 2 - 0.1)
        sides = ((x0 - left, width), (y0 - top, height), (x1 - left, width), (y1 - top, height))
        return [min(max(place / gain, 0), most) for place, most in sides]

    def _embedding(self, image: NDArray[np.uint8], inner: tuple[int, int]) -> Tensor:
        resized = np.array(Image.fromarray(image).resize(inner[::-1], Image.Resampling.BILINEAR), np.float32)
        pixels = torch.from_numpy((resized - np.array(MEAN, np.float32)) / np.array(STD, np.float32)).permute(2, 0, 1)
        padded = functional.pad(pixels, (0, self.size - inner[1], 0, self.size - inner[0]))
        return torch.as_tensor(self.encoder(padded[None]))
