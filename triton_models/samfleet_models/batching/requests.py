"""What an image asks of the decoder, and what it hears.

The work on one image is a generator: it yields an `Ask`, is sent the `Answers` and returns its masks. So it can ask as
often as it likes, and whoever runs several of them (`samfleet_models.batching.scheduler`) may answer them together.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet.masks.record import MaskRecord
from samfleet_models.device.transfers import to_device
from samfleet_models.images.transforms import Frame
from samfleet_models.modeling.mask_decoder import MASKS
from samfleet_models.postprocess.masks import Coder, Placement, ReadMasks, Selection, begin_reading
from samfleet_models.postprocess.pixel_probe import Probe


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the decoder's masks are drawn at all, decided by their predicted IoUs.

    `offered` [P, 4] bool are those that may answer each prompt, `above` is what their IoU must exceed (None: nothing),
    `best` [P] bool says which prompts keep the highest of theirs alone, the first on ties.
    """

    offered: Tensor
    best: Tensor
    above: float | None = None

    @classmethod
    def among(cls, masks: Sequence[int], prompts: int, above: float | None = None, *, best: bool = False) -> Choice:
        """The same for every prompt."""
        offered = torch.zeros(prompts, MASKS, dtype=torch.bool)
        offered[:, list(masks)] = True
        return cls(offered, torch.full((prompts,), best), above)

    def of(self, rows: slice, ious: Tensor) -> Tensor:
        """[p, 4] bool for the prompts `rows`, whose `ious` [p, 4] are float32 on the host."""
        wanted, best = self.offered[rows], self.best[rows]
        if best.any():
            first = ious.where(wanted, -torch.inf).argmax(1, keepdim=True)
            alone = torch.zeros_like(wanted).scatter_(1, first, value=True)
            wanted = torch.where(best[:, None], alone, wanted)
        return wanted if self.above is None else wanted & (ious > self.above)

    def unscored(self, rows: slice, ious: Tensor) -> int:
        """How many of the prompts `rows` have an offered mask whose IoU is no finite number; no threshold passes it."""
        return int((self.offered[rows] & ~ious.isfinite()).any(1).sum())


@dataclass(frozen=True, slots=True)
class View:
    """What of an image the decoder sees, a crop or the whole: its context, how it was framed, where it lies."""

    context: Any
    frame: Frame
    placement: Placement


@dataclass(frozen=True, slots=True)
class Ask:
    """P prompts of equally many points on one view, on the host.

    `coords` [P, T, 2] (x, y) in pixels of the network input, `labels` [P, T] int64 of
    `samfleet_models.modeling.prompt_encoder.Label`. `at_most` bounds how many prompts go through the decoder together.
    `probe` is looked up in the masks that pass.
    """

    view: View
    coords: Tensor
    labels: Tensor
    choice: Choice
    selection: Selection
    at_most: int | Literal["auto"] = "auto"
    probe: Probe | None = None

    def __len__(self) -> int:
        return len(self.coords)

    @property
    def kind(self) -> tuple[int, torch.dtype, int | Literal["auto"]]:
        """Asks of one kind may share chunks: their coordinates stack without a change and have one bound."""
        return self.coords.shape[1], self.coords.dtype, self.at_most

    def begin_reading(
        self, rows: slice, wanted: Tensor, ious: Tensor, low_res: Tensor, coder: Coder
    ) -> Callable[[], Answers]:
        """What gives the masks `wanted` [p, 4] of the prompts `rows` as drawn, in order: `ious` [n] on the host.

        `low_res` [n, S/4, S/4] are their logits, which `coder` may still be coding.
        """
        masks_read = begin_reading(low_res, self.view.frame, self.view.placement, self.selection, coder)
        prompts = wanted.nonzero()[:, 0].numpy() + rows.start

        def answers() -> Answers:
            masks = masks_read()
            sure = None
            if self.probe is not None:
                chosen = low_res[to_device(torch.from_numpy(masks.source), low_res.device)]
                sure = self.probe.sure(chosen, self.view.frame)
            return Answers(masks, prompts[masks.source], ious.numpy()[masks.source], sure)

        return answers


@dataclass(frozen=True, slots=True)
class Answers:
    """The masks that passed, ordered by prompt; per mask its prompt's row in the `Ask` and its predicted IoU.

    `sure` [n] are the pixels of the question's probe that any of them is sure of; None without a probe.
    """

    masks: ReadMasks
    prompts: NDArray[np.int64]
    ious: NDArray[np.float32]
    sure: NDArray[np.bool_] | None = None

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        probed = [part.sure for part in parts if part.sure is not None]
        return cls(
            sure=np.logical_or.reduce(probed) if probed else None,
            masks=ReadMasks.joined([part.masks for part in parts]),
            prompts=np.concatenate([np.zeros(0, np.int64), *(part.prompts for part in parts)]),
            ious=np.concatenate([np.zeros(0, np.float32), *(part.ious for part in parts)]),
        )


@dataclass(frozen=True, slots=True)
class Pause:
    """A place in long work between two questions where it may be ended, because its request was cancelled."""


Work = Generator[Ask | Pause, Answers, tuple[MaskRecord, ...]]


def ask(question: Ask) -> Generator[Ask, Answers, Answers]:
    """To be waited for with `yield from`: what `yield` alone gives, with its type."""
    return (yield question)
