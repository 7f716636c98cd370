"""Maps keys of checkpoints of SAM 2 and its successors to this repository's network."""

from __future__ import annotations

import re

WITH_THE_IMAGE = ("no_mem_embed", "sam_mask_decoder.conv_s0.", "sam_mask_decoder.conv_s1.")
FEED_FORWARD = re.compile(r"(?<=^mask_decoder\.transformer\.layers\.\d\.mlp\.)layers\.([01])(?=\.)")
LINEAR = {"0": "lin1", "1": "lin2"}


def own_key_of_sam2(official: str) -> str:
    """Return the network's key for an official one.

    Parameters that depend only on the image belong to the image encoder here, even if SAM 2 has them in the mask
    decoder. Keys of the video parts are unchanged.
    """
    if official.startswith(WITH_THE_IMAGE):
        return f"image_encoder.{official.removeprefix('sam_mask_decoder.')}"
    key = (
        official.removeprefix("sam_") if official.startswith(("sam_prompt_encoder.", "sam_mask_decoder.")) else official
    )
    return FEED_FORWARD.sub(lambda found: LINEAR[found[1]], key)
