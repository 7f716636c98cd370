"""transformers' pipeline "mask-generation", and its SamModel for boxes, with the same weights.

transformers has prompt encoder, mask decoder and the steps around them. It has no image encoder of MobileSAM, so the
official one is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.cases import Box
from benchmarks.contenders.interface import Mask, Options
from benchmarks.contenders.official import load
from reference.transformers_names import transformers_state

# Of its vision encoder, which is replaced: as small as it gets.
UNUSED_ENCODER = {"num_hidden_layers": 1, "hidden_size": 96, "mlp_dim": 96}


class OfficialEncoder(nn.Module):
    """The official image encoder with the outputs of transformers' encoders."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self._output = importlib.import_module("transformers.modeling_outputs").BaseModelOutput

    def forward(self, pixel_values: Tensor, **_: Any) -> Any:
        return self._output(last_hidden_state=self.encoder(pixel_values))


class MaskPipeline:
    def __init__(self, options: Options) -> None:
        package, (_, official) = importlib.import_module("transformers"), load(options)
        self.device = torch.device(options.device)
        config = package.SamConfig(
            vision_config=UNUSED_ENCODER,
            mask_decoder_config={"layer_norm_eps": 1e-5},  # torch's default, which the official code uses
        )
        model = package.SamModel(config)
        missing = model.load_state_dict(transformers_state(official.state_dict()), strict=False).missing_keys
        if left := [name for name in missing if not name.startswith("vision_encoder.")]:
            raise ValueError(f"the official weights lack {', '.join(left)}")
        model.vision_encoder = OfficialEncoder(official.image_encoder)
        self._model: Any = model.to(self.device).train(mode=False)
        images = package.SamImageProcessor()
        self._processor = package.SamProcessor(images)
        self._pipeline = package.pipeline(
            "mask-generation", model=self._model, image_processor=images, device=self.device
        )
        self._thresholds = {
            name: options.thresholds[name]
            for name in ("pred_iou_thresh", "stability_score_thresh", "stability_score_offset")
        }
        self._thresholds["crops_nms_thresh"] = options.thresholds["box_nms_thresh"]

    def encode(self, image: Path) -> Callable[[], object]:
        pixels = self._inputs(image)["pixel_values"]

        def work() -> object:
            with torch.no_grad():
                return self._model.get_image_embeddings(pixels)

        return work

    def everything(self, image: Path, per_side: int) -> Sequence[Mask]:
        return list(
            self._pipeline(str(image), points_per_crop=per_side, points_per_batch=64, **self._thresholds)["masks"]
        )

    def boxes(self, image: Path, boxes: Sequence[Box]) -> Sequence[Mask]:
        inputs = self._inputs(image, input_boxes=[[list(box) for box in boxes]])
        sizes = inputs.pop("original_sizes"), inputs.pop("reshaped_input_sizes")
        with torch.no_grad():
            found = self._model(**inputs, multimask_output=False)
        (masks,) = self._processor.post_process_masks(found.pred_masks.cpu(), *(size.cpu() for size in sizes))
        return list(masks[:, 0])

    def _inputs(self, image: Path, **prompts: Any) -> Any:
        with Image.open(image) as opened:
            return self._processor(opened.convert("RGB"), return_tensors="pt", **prompts).to(self.device)
