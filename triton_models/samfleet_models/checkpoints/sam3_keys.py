"""Maps keys of SAM 3's checkpoints to this repository's network, and drops the parts that segment by text or in video.

The official file `sam3.pt` has a detector, which owns the image encoder, and a tracker with SAM 2's heads. The image
encoder has two necks with the same keys: `convs` for the detector, and `sam2_convs` for the tracker, of which the
fourth level is never read. The file `model.safetensors` has the keys of transformers' Sam3VideoModel, with the same
tensors in other parts. Sources: sam3/model_builder.py of facebookresearch/sam3; models/sam3_video and
conversion_mapping.py of huggingface/transformers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from samfleet_models.checkpoints.hf_keys import official_key
from samfleet_models.checkpoints.sam2_keys import own_key_of_sam2

VISION = "detector.backbone.vision_backbone."
TRACKER = "tracker."
UNREAD = re.compile(
    rf"{re.escape(VISION)}trunk\.blocks\.\d+\.attn\.freqs_cis$"  # computed here
    rf"|detector\.(?!backbone\.vision_backbone\.(?:trunk|sam2_convs\.[012])\.)"
    rf"|{re.escape(TRACKER)}(?!sam_(?:prompt_encoder|mask_decoder)\.|no_mem_embed$)"
)
STUDENT_WRAPPER = "student_trunk."  # in some files of EfficientSAM3; its loader removes it too
STUDENT = f"{VISION}trunk.model."

OF_TRANSFORMERS = re.compile(r"(?:detector_model|tracker_neck|tracker_model)\.")
READ_OF_TRANSFORMERS = re.compile(
    r"detector_model\.vision_encoder\.backbone\.|tracker_neck\.fpn_layers\.[012]\."
    r"|tracker_model\.(?:no_memory_embedding$|shared_image_embedding\.|prompt_encoder\.|mask_decoder\.)"
)
NAMES = {  # applied in this order, before `official_key`
    r"^detector_model\.vision_encoder\.backbone\.": "image_encoder.trunk.",
    r"\.embeddings\.patch_embeddings\.projection\.": ".patch_embed.proj.",
    r"\.embeddings\.position_embeddings$": ".pos_embed",
    r"^image_encoder\.trunk\.layer_norm\.": "image_encoder.trunk.ln_pre.",
    r"^image_encoder\.trunk\.layers\.": "image_encoder.trunk.blocks.",
    r"\.attention\.o_proj\.": ".attn.proj.",
    r"\.attention\.": ".attn.",
    r"^tracker_neck\.fpn_layers\.": "image_encoder.sam2_convs.",
    r"^(image_encoder\.sam2_convs\.0\.)scale_layers\.0\.": r"\1dconv_2x2_0.",
    r"^(image_encoder\.sam2_convs\.0\.)scale_layers\.2\.": r"\1dconv_2x2_1.",
    r"^(image_encoder\.sam2_convs\.1\.)scale_layers\.0\.": r"\1dconv_2x2.",
    r"^(image_encoder\.sam2_convs\.\d\.)proj1\.": r"\1conv_1x1.",
    r"^(image_encoder\.sam2_convs\.\d\.)proj2\.": r"\1conv_3x3.",
    r"^tracker_model\.no_memory_embedding$": "image_encoder.no_mem_embed",
    r"^tracker_model\.mask_decoder\.conv_s": "image_encoder.conv_s",
    r"^tracker_model\.": "",
    r"\.o_proj\.": ".out_proj.",
    r"(\.layers\.\d\.mlp)\.proj_in\.": r"\1.lin1.",
    r"(\.layers\.\d\.mlp)\.proj_out\.": r"\1.lin2.",
}
POSITIONS = "image_encoder.trunk.pos_embed"
POINTS = "prompt_encoder.point_embeddings.weight"
ATTENTION = re.compile(r"^(image_encoder\.trunk\.blocks\.\d+\.attn\.)q_proj\.(weight|bias)$")


def own_key_of_sam3(official: str) -> str:
    """Return the network's key for an official one; other keys are unchanged."""
    if official.startswith(VISION):
        return "image_encoder." + official.removeprefix(VISION)
    if official.startswith(TRACKER):
        return own_key_of_sam2(official.removeprefix(TRACKER))
    return official


def own_key_of_efficient_sam3(official: str) -> str:
    """Return the network's key for one of EfficientSAM3, which replaces only the trunk of SAM 3's file.

    `trunk.model` wraps the student, and `model` in it the published backbone.
    """
    if official.startswith(STUDENT):
        name = official.removeprefix(STUDENT)
        return "image_encoder.trunk." + re.sub(r"^backbone\.model\.", "backbone.", name)
    return own_key_of_sam3(official)


def image_path_of_sam3(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that segment single images, from a table in either published layout.

    Those of the official file keep their keys, those of transformers get this network's. Keys of neither layout stay,
    so that strict loading reports them.
    """
    if any(OF_TRANSFORMERS.match(key) for key in published):
        return _from_transformers(published)
    return {key.replace(STUDENT_WRAPPER, ""): value for key, value in published.items() if not UNREAD.match(key)}


def own_key_of_transformers(key: str) -> str:
    """Return the network's key for one of transformers' Sam3VideoModel.

    Queries, keys and values of the trunk keep separate names, and the four point embeddings one name.
    """
    for pattern, name in NAMES.items():
        key = re.sub(pattern, name, key)
    return official_key(key)


def _from_transformers(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    state = {
        own_key_of_transformers(key): value
        for key, value in published.items()
        if READ_OF_TRANSFORMERS.match(key) or not OF_TRANSFORMERS.match(key)
    }
    for found in filter(None, map(ATTENTION.match, list(state))):
        start, kind = found.groups()
        parts = [f"{start}{part}_proj.{kind}" for part in "qkv"]
        if all(part in state for part in parts):
            state[f"{start}qkv.{kind}"] = torch.cat([state.pop(part) for part in parts])
    if (positions := state.get(POSITIONS)) is not None:  # without the class token's, which nothing reads
        state[POSITIONS] = torch.cat([torch.zeros_like(positions[:, :1]), positions], dim=1)
    for kind, row in enumerate(state.pop(POINTS, ())):
        state[f"prompt_encoder.point_embeddings.{kind}.weight"] = row[None]
    return state
