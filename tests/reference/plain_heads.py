"""SAM's two heads around the plain decoder, loaded from an official checkpoint's tensors."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from reference.plain_decoder import MULTI, MaskDecoder
from samfleet_models.checkpoints.loading import load_state
from samfleet_models.modeling.prompt_encoder import PromptEncoder

STRIDE = 16  # network input pixels per embedding pixel
PARTS = ("prompt_encoder.", "mask_decoder.")


class PlainHeads(nn.Module):
    def __init__(self, state: Mapping[str, Tensor], input_size: int) -> None:
        super().__init__()
        self.prompt_encoder = PromptEncoder(input_size, input_size // STRIDE)
        self.mask_decoder = MaskDecoder()
        load_state(self, heads_of(state))
        self.eval()

    def forward(
        self, embedding: Tensor, coords: Tensor, labels: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return logits [B, 4, S/4, S/4] and predicted IoUs [B, 4] of B prompts; all prompts in one pass.

        `embedding` [1, 256, S/16, S/16]; `coords` [B, T, 2] (x, y) in pixels of the network input; `labels` [B, T].
        `mask` [S/4, S/4] has the logits of a mask that all prompts have.
        """
        dense = self.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
        if mask is not None:
            dense = self.prompt_encoder.mask_downscaling(mask[None, None])
        tokens = self.prompt_encoder(coords, labels)
        logits, ious = self.mask_decoder(embedding + dense, self.prompt_encoder.image_positions(), tokens)
        return logits, ious

    def multimask(self, embedding: Tensor, coords: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the three ambiguity-aware masks and their IoUs, selected after all four were drawn, as published."""
        logits, ious = self(embedding, coords, labels)
        return logits[:, MULTI], ious[:, MULTI]


def heads_of(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries of a whole checkpoint that belong to the two heads."""
    return {key: value for key, value in state.items() if key.startswith(PARTS)}
