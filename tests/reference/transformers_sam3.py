"""SAM 3's image path by an independent implementation: transformers' `Sam3TrackerModel` with random weights.

transformers' default for the norms of the trunk is 1e-6; the official code has 1e-5, so the model is made with that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from fixtures.models.random_parameters import randomised
from samfleet_models.modeling.image_encoders.rotary_blocks import EPS

PARTS = {  # the places of the model's parts in the published file, which is one of `Sam3VideoModel`
    "vision_encoder.backbone.": "detector_model.vision_encoder.backbone.",
    "vision_encoder.neck.": "tracker_neck.",
    "": "tracker_model.",
}


def sam3_model(architecture: Mapping[str, Any], input_size: int) -> Any:
    """Return the model, randomised, for an `architecture` of our records and inputs of `input_size` pixels a side."""
    from transformers import Sam3TrackerConfig
    from transformers.models.auto import AutoModel
    from transformers.models.sam3.configuration_sam3 import Sam3VisionConfig, Sam3ViTConfig
    from transformers.models.sam3.modeling_sam3 import Sam3VisionModel, Sam3ViTModel
    from transformers.models.sam3_tracker.modeling_sam3_tracker import Sam3TrackerModel

    # By name it finds them only where torchvision is installed, which none of these parts uses.
    AutoModel.register(Sam3ViTConfig, Sam3ViTModel, exist_ok=True)
    AutoModel.register(Sam3VisionConfig, Sam3VisionModel, exist_ok=True)
    backbone = Sam3ViTConfig(
        hidden_size=architecture["dim"],
        intermediate_size=architecture["hidden"],
        num_hidden_layers=architecture["depth"],
        num_attention_heads=architecture["heads"],
        image_size=input_size,
        window_size=architecture["window"],
        global_attn_indexes=list(architecture["global_blocks"]),
        pretrain_image_size=14 * architecture["position_grid"],
        layer_norm_eps=EPS,
    )
    grid = input_size // 14
    vision = Sam3VisionConfig(
        backbone_config=backbone, backbone_feature_sizes=[[times * grid] * 2 for times in (4, 2, 1)]
    )
    vision.scale_factors = [4.0, 2.0, 1.0]  # the tracker drops the fourth level of its neck
    model = Sam3TrackerModel(Sam3TrackerConfig(vision_config=vision, prompt_encoder_config={"image_size": input_size}))
    made = {key: value.clone() for key, value in model.named_buffers() if key not in model.state_dict()}
    randomised(model)
    for key, value in made.items():  # positions and frequencies, which are not in the file
        model.get_buffer(key).copy_(value)
    model.shared_image_embedding.positional_embedding.copy_(model.prompt_encoder.shared_embedding.positional_embedding)
    return model


def published_state(model: Any) -> dict[str, Tensor]:
    """Return the model's tensors under the keys of the published file."""
    state: dict[str, Tensor] = {}
    for key, value in model.state_dict().items():
        part = next(start for start in PARTS if key.startswith(start))
        state[PARTS[part] + key.removeprefix(part)] = value
    return state
