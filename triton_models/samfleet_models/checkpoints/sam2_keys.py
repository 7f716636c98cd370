"""Keys of SAM 2's checkpoints and of those made after it, in this repository's network."""

from __future__ import annotations

import re

WITH_THE_IMAGE = ("no_mem_embed", "sam_mask_decoder.conv_s0.", "sam_mask_decoder.conv_s1.")
FEED_FORWARD = re.compile(r"(?<=^mask_decoder\.transformer\.layers\.\d\.mlp\.)layers\.([01])(?=\.)")
LINEAR = {"0": "lin1", "1": "lin2"}


def own_key_of_sam2(official: str) -> str:
    """The key in the network of an official one.

    What depends on the image alone belongs to the image encoder here, also where SAM 2 keeps it in the mask decoder.
    Keys of the parts that segment video stay as they are.
    """
    if official.startswith(WITH_THE_IMAGE):
        return f"image_encoder.{official.removeprefix('sam_mask_decoder.')}"
    key = (
        official.removeprefix("sam_") if official.startswith(("sam_prompt_encoder.", "sam_mask_decoder.")) else official
    )
    return FEED_FORWARD.sub(lambda found: LINEAR[found[1]], key)
