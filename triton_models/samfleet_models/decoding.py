"""What a decoder does, whichever heads it has: prompts are scored first, and of their masks the wanted ones drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from samfleet_models.folded.context import ImageContext
from samfleet_models.folded.factors import Factors


@dataclass(frozen=True, slots=True)
class Scored:
    """P prompts after the transformer: predicted `ious` [P, M] and what drawing their masks needs.

    `contexts` has the image of each. Mask 0 answers alone, masks 1 to 3 together. All but `ious` is void after the
    decoder's next `score`.
    """

    ious: Tensor
    tokens: Tensor
    factors: Factors
    contexts: Sequence[ImageContext]


@dataclass(frozen=True, slots=True)
class DrawnMasks:
    """`logits` [n, S/4, S/4] and the predicted `ious` [n] of what was drawn.

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

    def prepare(self, features: tuple[Tensor, ...]) -> ImageContext:
        """What all prompts of one image share.

        `features` [1, ...] are what the image encoder gives: the embedding [1, 256, h, w] first, then what else the
        decoder wants of it.
        """
        ...

    def score(self, images: ImageContext | Sequence[ImageContext], coords: Tensor, labels: Tensor) -> Scored:
        """The predicted IoUs of P prompts of one image, or of several.

        Of several, `images` has the context of every prompt, those of one image together. `coords` [P, T, 2] (x, y) in
        pixels of the network input; `labels` [P, T] of `samfleet_models.prompt_encoder.Label`.
        """
        ...

    def draw(self, scored: Scored, rows: Tensor, masks: Tensor) -> DrawnMasks:
        """The `masks` [n] of the prompts `rows` [n], which ascend."""
        ...

    def release_memory(self) -> None:
        """Gives all work tensors back, after a failure; what was scored is void."""
        ...
