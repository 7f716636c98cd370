"""What a decoder does, whichever heads it has: prompts are scored first, and of their masks the wanted ones drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from samfleet_models.modeling.common import Features


class Scored(Protocol):
    """P prompts scored: predicted `ious` [P, M], float32 on the host.

    All else is the decoder's own and void after its next `score`.

    Mask 0 answers alone, masks 1 to 3 together.
    """

    @property
    def ious(self) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class DrawnMasks:
    """`logits` [n, S/4, S/4] and the predicted `ious` [n] of what was drawn, float32 on the host.

    A decoder may draw another mask than it was asked for, so these IoUs are the answer's and not those scored before.
    """

    logits: Tensor
    ious: Tensor


class Decoder(Protocol):
    """Prompt encoder and mask decoder of a loaded network. Not thread-safe."""

    @property
    def lanes(self) -> int:
        """Threads among which the prompts of a chunk are shared out."""
        ...

    def prepare(self, features: Features) -> Any:
        """What all prompts of one image share.

        `features` [1, ...] are what the image encoder gives: the embedding [1, 256, h, w] first, then what else the
        decoder wants of it.
        """
        ...

    def score(self, images: Any, coords: Tensor, labels: Tensor) -> Scored:
        """The predicted IoUs of P prompts of one image, or of several.

        `images` is what `prepare` gave; of several images, a sequence with the context of every prompt, those of one
        image together. `coords` [P, T, 2] (x, y) in pixels of the frame; `labels` [P, T] of
        `samfleet_models.modeling.prompt_encoder.Label`; both may be on the host.
        """
        ...

    def draw(self, scored: Any, rows: Tensor, masks: Tensor) -> DrawnMasks:
        """The `masks` [n] of the prompts `rows` [n], which ascend; both on the host."""
        ...

    def release_memory(self) -> None:
        """Gives all work tensors back, after a failure; what was scored is void."""
        ...
