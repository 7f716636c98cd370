"""Answers what several images ask, in chunks that they share.

A chunk is filled from the images longest at work, so each image's masks are ready as early as can be, and few images
are under work at once: one is begun only when the others leave room in a chunk. That is for GPUs, whose chunks are
larger than many images' prompts and which pay per launch. On a CPU a few prompts fill a chunk, and sharing one or not
made no difference (measured with 1, 4 and 25 prompts per image), so the rule is the same and fewer images are begun.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from samfleet.errors import SamfleetError
from samfleet.limits import MAX_MASK_BYTES
from samfleet.masks.record import MaskRecord
from samfleet.variants.budget import BYTES_BESIDE_A_CODE, MasksTooMany, check_masks
from samfleet_models.batching.cancellation import Cancelled, RequestCancelled, never
from samfleet_models.batching.interface import Network
from samfleet_models.batching.requests import Answers, Ask, Pause, Work
from samfleet_models.device.memory import NotEnoughMemory, attempt
from samfleet_models.device.timing import StageClock
from samfleet_models.images.loading import Failure, out_of_memory
from samfleet_models.postprocess.masks import Coder

IMAGES_AT_WORK = {"cpu": 4, "cuda": 64}  # 30 to 45 MB each: what their prompts share
Outcome = tuple[MaskRecord, ...] | Failure


@dataclass(slots=True, eq=False)
class ImageWork:
    """The work on one image of a batch, not begun, and the clock that it runs by.

    `prompts_decoded`, `unscored_prompts` (`Choice.unscored`) and `mask_bytes` (of the masks that it heard of) count as
    it goes. `cancelled` tells whether the client has given the request up.
    """

    position: int
    steps: Work
    clock: StageClock
    prompts_decoded: int = 0
    unscored_prompts: int = 0
    mask_bytes: int = 0
    cancelled: Cancelled = never

    def go_on(self, answers: Answers | None = None) -> Ask | tuple[MaskRecord, ...]:
        """Return the next question, or the masks in the end. Raises `RequestCancelled` between two steps."""
        try:
            question = next(self.steps) if answers is None else self.steps.send(answers)
            while isinstance(question, Pause) or not len(question):
                if self.cancelled():
                    raise RequestCancelled
                question = self.steps.send(Answers.joined([]))
        except StopIteration as end:
            masks: tuple[MaskRecord, ...] = end.value
            return masks
        return question


@dataclass(slots=True)
class Pending:
    """A question of which the first `done` prompts are answered."""

    image: ImageWork
    question: Ask
    done: int = 0
    answers: list[Answers] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Piece:
    """Prompts of one image in a chunk."""

    pending: Pending
    rows: slice

    def __len__(self) -> int:
        return len(range(self.rows.start, self.rows.stop))

    @property
    def question(self) -> Ask:
        return self.pending.question

    @property
    def clock(self) -> StageClock:
        return self.pending.image.clock


class Sharing:
    def __init__(self, network: Network, max_mask_bytes: int = MAX_MASK_BYTES) -> None:
        self._network = network
        self._max_mask_bytes = max_mask_bytes
        self._pending: dict[int, Pending] = {}  # by position, the longest at work first
        self._finished: deque[tuple[int, Outcome]] = deque()
        self._fitting: dict[
            Any, int
        ] = {}  # prompts of a kind of question that the memory has room for, once it ran out

    @torch.inference_mode()
    def run(self, images: Iterable[ImageWork]) -> Iterator[tuple[int, Outcome]]:
        """(position, masks) of every image as soon as they are ready.

        Out of memory halves the chunk; an image fails when one of its prompts alone does not fit. An image whose
        request was cancelled fails before the next chunk, and none of its prompts is in that.
        """
        waiting = deque(images)
        most = IMAGES_AT_WORK[self._network.device.type]
        while waiting or self._pending:
            self._drop_cancelled()
            chunk, room = self._next_chunk()
            if waiting and room and len(self._pending) < most:
                self._begin(waiting.popleft())
            elif chunk:
                self._work_on(chunk)
            del chunk  # what it holds of finished images is not kept for those to come
            while self._finished:
                yield self._finished.popleft()

    def _drop_cancelled(self) -> None:
        for pending in [pending for pending in self._pending.values() if pending.image.cancelled()]:
            self._finish(pending.image, Failure(RequestCancelled(), pending.image.clock.stage))

    def _begin(self, image: ImageWork) -> None:
        if image.cancelled():
            self._finish(image, Failure(RequestCancelled(), "encode"))
        else:
            self._go_on(image)

    def _go_on(self, image: ImageWork, answers: Answers | None = None) -> None:
        try:
            outcome = attempt(lambda: image.go_on(answers))
        except SamfleetError as error:
            self._finish(image, Failure(error, image.clock.stage))
            return
        if isinstance(outcome, Ask):
            self._pending[image.position] = Pending(image, outcome)
        elif isinstance(outcome, NotEnoughMemory):
            self._network.release_memory()
            self._finish(image, out_of_memory(outcome, image.clock.stage))
        else:
            self._finish(image, outcome)

    def _finish(self, image: ImageWork, outcome: Outcome) -> None:
        self._pending.pop(image.position, None)
        image.steps.close()
        self._finished.append((image.position, outcome))

    def _next_chunk(self) -> tuple[list[Piece], int]:
        """Prompts of the kind that the image longest at work asks next, and for how many more there is room."""
        chunk: list[Piece] = []
        room = 1
        for pending in self._pending.values():
            if not chunk:
                kind = pending.question.kind
                room = self._chunk_size(pending.question)
            if room and pending.question.kind == kind:
                chunk.append(Piece(pending, slice(pending.done, min(pending.done + room, len(pending.question)))))
                room -= len(chunk[-1])
        return chunk, room

    def _chunk_size(self, question: Ask) -> int:
        size = self._network.prompts_per_pass(question.at_most, points=question.coords.shape[1])
        return min(size, self._fitting.get(question.kind, size))

    def _work_on(self, chunk: list[Piece]) -> None:
        kind = chunk[0].question.kind
        size = sum(len(piece) for piece in chunk)
        try:
            answers = attempt(lambda: self._answers(chunk))
        except SamfleetError as error:
            self._blame(chunk, error)
            return
        if not isinstance(answers, NotEnoughMemory):
            for piece, part in zip(chunk, answers, strict=True):
                self._hear(piece, *part)
            return
        self._network.release_memory()
        if size > 1:
            self._fitting[kind] = size // 2
        else:
            self._fitting.pop(kind, None)
            self._finish(chunk[0].pending.image, out_of_memory(answers, chunk[0].clock.stage))

    def _blame(self, chunk: list[Piece], error: SamfleetError) -> None:
        """The decoder cannot answer this, such as a graph that was exported for another number of points: the image
        that asked fails, its neighbours in the chunk are asked for alone.
        """
        if len(chunk) > 1:
            for piece in chunk:
                self._work_on([piece])
        else:
            self._finish(chunk[0].pending.image, Failure(error, "decode"))

    def _hear(self, piece: Piece, answers: Answers, unscored: int) -> None:
        pending = piece.pending
        pending.answers.append(answers)
        pending.done = piece.rows.stop
        pending.image.prompts_decoded += len(piece)
        pending.image.unscored_prompts += unscored
        pending.image.mask_bytes += sum(len(code) + BYTES_BESIDE_A_CODE for code in answers.masks.counts)
        try:
            check_masks(pending.image.mask_bytes, self._max_mask_bytes)
        except MasksTooMany as error:
            self._finish(pending.image, Failure(error, "postprocess"))
            return
        if pending.done == len(pending.question):
            self._go_on(pending.image, Answers.joined(pending.answers))

    def _answers(self, chunk: list[Piece]) -> list[tuple[Answers, int]]:
        """To each piece of the chunk, whose prompts go through the decoder together, and its unscored prompts."""
        decoder, device = self._network.decoder, self._network.device
        sizes = [len(piece) for piece in chunk]
        shared = StageClock(device)
        for piece in chunk:
            piece.clock.stage = "decode"
            piece.clock.join(shared, len(piece) / sum(sizes))
        with shared.measure("decode"):
            coords = torch.cat([piece.question.coords[piece.rows] for piece in chunk])
            labels = torch.cat([piece.question.labels[piece.rows] for piece in chunk])
            contexts = [piece.question.view.context for piece in chunk for _ in range(len(piece))]
            scored = decoder.score(contexts, coords, labels)
            ious = torch.split(scored.ious, sizes)
            wanted = [piece.question.choice.of(piece.rows, own) for piece, own in zip(chunk, ious, strict=True)]
            rows, masks = torch.cat(wanted).nonzero().T
            drawn = decoder.draw(scored, rows, masks)
            counts = [int(own.sum()) for own in wanted]
            low_res, drawn_ious = torch.split(drawn.logits, counts), torch.split(drawn.ious, counts)
        return self._read(chunk, ious, wanted, drawn_ious, low_res)

    def _read(self, chunk: list[Piece], ious: Sequence[Tensor], *drawn: Sequence[Tensor]) -> list[tuple[Answers, int]]:
        """On a GPU all masks are drawn before the last ones are coded, so that it seldom waits for the host."""
        readings, answers = [], []
        with Coder(self._network.device) as coder:
            for piece, *own in zip(chunk, *drawn, strict=True):
                with piece.clock.measure("postprocess"):
                    readings.append(piece.question.begin_reading(piece.rows, *own, coder))
            for piece, scores, reading in zip(chunk, ious, readings, strict=True):
                with piece.clock.measure("postprocess"):
                    answers.append((reading(), piece.question.choice.unscored(piece.rows, scores)))
        return answers
