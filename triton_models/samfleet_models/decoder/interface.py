"""The interface of all decoders: score the prompts first, then draw only the wanted masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from samfleet_models.modeling.common import Features


class Scored(Protocol):
    """P scored prompts: predicted `ious` [P, M], float32 on the host.

    Everything else is private to the decoder and invalid after its next `score`.

    Mask 0 is the single mask, masks 1 to 3 are the multimask output.
    """

    @property
    def ious(self) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class DrawnMasks:
    """`logits` [n, S/4, S/4] and predicted `ious` [n] of the drawn masks, float32 on the host.

    A decoder may draw another mask than the requested one, so these IoUs may differ from those scored before.
    """

    logits: Tensor
    ious: Tensor


class Decoder(Protocol):
    """Prompt encoder and mask decoder of a loaded network. Not thread-safe."""

    @property
    def lanes(self) -> int:
        """Number of threads that share the prompts of a chunk."""
        ...

    def prepare(self, features: Features) -> Any:
        """Return the context that all prompts of one image share.

        `features` [1, ...] are the outputs of the image encoder: the embedding [1, 256, h, w] first, then any other
        features that the decoder needs.
        """
        ...

    def score(self, images: Any, coords: Tensor, labels: Tensor) -> Scored:
        """Return the predicted IoUs of P prompts of one or several images.

        `images` is the result of `prepare`; for several images, a sequence with the context of every prompt, with those
        of one image adjacent. `coords` [P, T, 2] (x, y) in pixels of the frame; `labels` [P, T] of
        `samfleet_models.modeling.prompt_encoder.Label`; both may be on the host.
        """
        ...

    def draw(self, scored: Any, rows: Tensor, masks: Tensor) -> DrawnMasks:
        """Draw the `masks` [n] of the prompts `rows` [n], ascending; both on the host."""
        ...

    def release_memory(self) -> None:
        """Release all work tensors after a failure; scored prompts become invalid."""
        ...


class MaskedDecoder(Decoder, Protocol):
    """A decoder of a family with mask prompts (`PromptRules.masks`)."""

    def prepare_masked(self, features: Features, mask: Callable[[int], Tensor]) -> Any:
        """Return the context that the prompts with one mask share; `mask` returns its logits [M, M] for a side M."""
        ...
