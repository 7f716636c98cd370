"""Maps SAM's keys in Hugging Face's SamModel layout, in which SlimSAM is published, to the official ones.

The tensors are the same. Source: models/sam/convert_sam_to_hf.py of huggingface/transformers.
"""

from __future__ import annotations

import re

GAUSSIAN = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
NAMES = {
    r"^(shared_image_embedding|prompt_encoder\.shared_embedding)\.positional_embedding$": GAUSSIAN,  # one tensor, tied
    r"^vision_encoder\.layers\.": "image_encoder.blocks.",
    r"^vision_encoder\.": "image_encoder.",
    r"\.patch_embed\.projection\.": ".patch_embed.proj.",
    r"\.point_embed\.": ".point_embeddings.",
    r"\.mask_embed\.": ".mask_downscaling.",
    r"\.upscale_": ".output_upscaling.",
    r"_(head|mlps\.\d+)\.layers\.0\.": r"_\1.hidden.",  # the middle of three
    r"_(head|mlps\.\d+)\.(proj_in|hidden|proj_out)\.": r"_\1.layers.\2.",
}
PLACES = {  # names of items 0, 1, ... of the official sequence; activations have no keys
    r"image_encoder\.neck": ("conv1", "layer_norm1", "conv2", "layer_norm2"),
    r"mask_downscaling": ("conv1", "layer_norm1", "", "conv2", "layer_norm2", "", "conv3"),
    r"output_upscaling": ("conv1", "layer_norm", "", "conv2"),
    r"_(?:head|mlps\.\d+)\.layers": ("proj_in", "hidden", "proj_out"),
}


def official_key(key: str) -> str:
    """Return the key of segment_anything for a key of transformers' SamModel."""
    for pattern, name in NAMES.items():
        key = re.sub(pattern, name, key)
    for sequence, names in PLACES.items():
        found = re.search(rf"{sequence}\.({'|'.join(filter(None, names))})\.", key)
        if found:
            return key[: found.start(1)] + str(names.index(found[1])) + key[found.end(1) :]
    return key.replace("layer_norm", "norm")
