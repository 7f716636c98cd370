"""Decodes the prompts of several images in shared chunks.

A chunk is filled from the images that began first, so that each image ends early and few are in progress at a time. An
image begins only when the others leave space in a chunk. This helps GPUs, which pay per launch, and whose chunks hold
more prompts than one image has. On a CPU a few prompts fill a chunk. Sharing made no difference there (measured with 1,
4 and 25 prompts per image), so the rule is the same and fewer images are in progress.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from samfleet.errors import SamfleetError
from samfleet.limits import MAX_MASK_BYTES
from samfleet.masks.record import MaskRecord
from samfleet.variants.budget import BYTES_BESIDE_A_CODE, MasksTooMany, check_masks
from samfleet_models.batching.cancellation import RequestCancelled
from samfleet_models.batching.chunks import BegunChunk, ChunkSlice, PendingRequest, ScheduledImage
from samfleet_models.batching.interface import Network
from samfleet_models.batching.requests import DecodeRequest, DecodeResult
from samfleet_models.device.memory import NotEnoughMemory, attempt
from samfleet_models.device.timing import StageClock
from samfleet_models.device.transfers import to_device
from samfleet_models.images.loading import Failure, out_of_memory
from samfleet_models.postprocess.masks import EncodedMasks, MaskEncoder, begin_encoding

IMAGES_IN_PROGRESS = {"cpu": 4, "cuda": 64}  # 30 to 45 MB each, for the context that an image's prompts share
# Chunks begun and not completed. Their logits, 0.8 MB a prompt in float32, stay in memory.
CHUNKS_AHEAD = {"cpu": 0, "cuda": 1}
Outcome = tuple[MaskRecord, ...] | Failure


class PromptScheduler:
    """Runs the tasks of a batch's images and decodes their requests together. Use it from one thread, once.

    On a GPU one chunk is ahead: a thread encodes its masks while the GPU decodes the next chunk.
    """

    def __init__(self, network: Network, max_mask_bytes: int = MAX_MASK_BYTES) -> None:
        self._network = network
        self._max_mask_bytes = max_mask_bytes
        self._pending: dict[int, PendingRequest] = {}  # by position, in the order in which the images began
        self._finished: deque[tuple[int, Outcome]] = deque()
        self._fitting: dict[Any, int] = {}  # prompts that fit, by the kind of request that ran out of memory
        self._encoder = MaskEncoder(network.device)
        self._begun: deque[BegunChunk] = deque()

    @torch.inference_mode()
    def run(self, images: Iterable[ScheduledImage]) -> Iterator[tuple[int, Outcome]]:
        """Yield (position, masks) of every image as soon as its masks are ready.

        Out of memory halves the chunk; an image fails when one of its prompts alone does not fit. An image whose
        request was cancelled fails before the next chunk, which contains none of its prompts.
        """
        waiting = deque(images)
        most = IMAGES_IN_PROGRESS[self._network.device.type]
        with self._encoder:
            while waiting or self._pending:
                self._drop_cancelled()
                chunk, room = self._next_chunk()
                if waiting and room and len(self._pending) < most:
                    self._begin(waiting.popleft())
                elif chunk:
                    self._decode_chunk(chunk)
                else:
                    self._complete_oldest()
                del chunk  # it would keep the tensors of finished images in memory
                while self._finished:
                    yield self._finished.popleft()

    def _drop_cancelled(self) -> None:
        for pending in [pending for pending in self._pending.values() if pending.image.cancelled()]:
            self._finish(pending.image, Failure(RequestCancelled(), pending.image.clock.stage))

    def _begin(self, image: ScheduledImage) -> None:
        if image.cancelled():
            self._finish(image, Failure(RequestCancelled(), "encode"))
        else:
            self._advance(image)

    def _advance(self, image: ScheduledImage, result: DecodeResult | None = None) -> None:
        try:
            step = attempt(lambda: image.advance(result))
        except SamfleetError as error:
            self._finish(image, Failure(error, image.clock.stage))
            return
        if isinstance(step, DecodeRequest):
            self._pending[image.position] = PendingRequest(image, step)
        elif isinstance(step, NotEnoughMemory):
            self._network.release_memory()
            self._finish(image, out_of_memory(step, image.clock.stage))
        else:
            self._finish(image, step)

    def _finish(self, image: ScheduledImage, outcome: Outcome) -> None:
        self._pending.pop(image.position, None)
        image.task.close()
        self._finished.append((image.position, outcome))

    def _next_chunk(self) -> tuple[list[ChunkSlice], int]:
        """Return prompts of the kind that the oldest image requests next, and the space left for more of them."""
        chunk: list[ChunkSlice] = []
        room = 1
        for pending in self._pending.values():
            if pending.begun == len(pending.request):
                continue
            if not chunk:
                kind = pending.request.kind
                room = self._chunk_size(pending.request)
            if room and pending.request.kind == kind:
                stop = min(pending.begun + room, len(pending.request))
                chunk.append(ChunkSlice(pending, slice(pending.begun, stop)))
                room -= len(chunk[-1])
        return chunk, room

    def _chunk_size(self, request: DecodeRequest) -> int:
        size = self._network.prompts_per_pass(request.at_most, points=request.coords.shape[1])
        return min(size, self._fitting.get(request.kind, size))

    def _decode_chunk(self, chunk: list[ChunkSlice]) -> None:
        """Begin the chunk, and complete those before it; on a CPU, this one too."""
        self._begin_chunk(chunk)
        while len(self._begun) > CHUNKS_AHEAD[self._network.device.type]:
            self._complete_oldest()

    def _begin_chunk(self, chunk: list[ChunkSlice]) -> None:
        """Decode the chunk and draw its masks.

        If that fails while another chunk is ahead, that one is completed, and this one begins again later: there may be
        memory then.
        """
        error: SamfleetError | None = None
        try:
            begun = attempt(lambda: self._decoded(chunk))
        except SamfleetError as refused:
            error = refused
        if (error or isinstance(begun, NotEnoughMemory)) and self._begun:
            self._complete_oldest()
        elif error:
            self._fail(chunk, error)
        elif isinstance(begun, NotEnoughMemory):
            self._shrink(chunk, begun)
        else:
            self._begun.append(begun)
            for part in chunk:
                part.pending.begun = part.rows.stop

    def _complete_oldest(self) -> None:
        """Give the results to the images. After a failure, prompts that were begun later begin again."""
        begun = self._begun.popleft()
        parts = begun.parts
        try:
            results = attempt(begun.complete)
        except SamfleetError as error:
            self._rewind()
            self._fail(parts, error)
            return
        del begun  # after a failure, its tensors must be free before the cache is
        if isinstance(results, NotEnoughMemory):
            self._rewind()
            self._shrink(parts, results)
            return
        for part, result in zip(parts, results, strict=True):
            if self._waits(part):
                self._receive(part, *result)

    def _rewind(self) -> None:
        self._begun.clear()
        for pending in self._pending.values():
            pending.begun = pending.done

    def _waits(self, part: ChunkSlice) -> bool:
        """Test whether the image still waits for the part; it may have been cancelled meanwhile, or have failed."""
        return self._pending.get(part.pending.image.position) is part.pending

    def _shrink(self, chunk: list[ChunkSlice], failure: NotEnoughMemory) -> None:
        """Halve the size of such chunks, or fail the image of a single prompt."""
        self._network.release_memory()
        kind, size = chunk[0].request.kind, sum(len(part) for part in chunk)
        if size > 1:
            self._fitting[kind] = size // 2
        else:
            self._fitting.pop(kind, None)
            if self._waits(chunk[0]):
                self._finish(chunk[0].pending.image, out_of_memory(failure, chunk[0].clock.stage))

    def _fail(self, chunk: list[ChunkSlice], error: SamfleetError) -> None:
        """Decode the images of a failed chunk one by one, and fail the one that fails alone.

        The decoder may refuse a request, for example when a graph was exported for another number of points.
        """
        if len(chunk) > 1:
            for part in chunk:
                if self._waits(part) and part.pending.begun == part.rows.start:
                    self._decode_chunk([part])
        elif self._waits(chunk[0]):
            self._finish(chunk[0].pending.image, Failure(error, "decode"))

    def _receive(self, part: ChunkSlice, result: DecodeResult, unscored: int) -> None:
        pending, image = part.pending, part.pending.image
        pending.results.append(result)
        pending.done = part.rows.stop
        image.prompts_decoded += len(part)
        image.unscored_prompts += unscored
        image.mask_bytes += sum(len(code) + BYTES_BESIDE_A_CODE for code in result.masks.counts)
        try:
            check_masks(image.mask_bytes, self._max_mask_bytes)
        except MasksTooMany as error:
            self._finish(image, Failure(error, "postprocess"))
            return
        if pending.done == len(pending.request):
            self._advance(image, DecodeResult.joined(pending.results))

    def _decoded(self, chunk: list[ChunkSlice]) -> BegunChunk:
        """Decode a chunk in one pass. Its results are that of each part and the number of its unscored prompts."""
        decoder, sizes = self._network.decoder, [len(part) for part in chunk]
        shared = StageClock(self._network.device)
        for part in chunk:
            part.clock.stage = "decode"
            part.clock.join(shared, len(part) / sum(sizes))
        with shared.measure("decode"):
            coords = torch.cat([part.request.coords[part.rows] for part in chunk])
            labels = torch.cat([part.request.labels[part.rows] for part in chunk])
            contexts = [part.request.view.context for part in chunk for _ in range(len(part))]
            scored = decoder.score(contexts, coords, labels)
            ious = torch.split(scored.ious, sizes)
            wanted = [part.request.choice.of(part.rows, own) for part, own in zip(chunk, ious, strict=True)]
            rows, masks = torch.cat(wanted).nonzero().T
            drawn = decoder.draw(scored, rows, masks)
            counts = [int(own.sum()) for own in wanted]
            low_res, drawn_ious = torch.split(drawn.logits, counts), torch.split(drawn.ious, counts)
        return BegunChunk(chunk, self._encode(chunk, ious, wanted, drawn_ious, low_res))

    def _encode(
        self,
        chunk: list[ChunkSlice],
        ious: Sequence[Tensor],
        wanted: Sequence[Tensor],
        drawn_ious: Sequence[Tensor],
        low_res: Sequence[Tensor],
    ) -> Callable[[], list[tuple[DecodeResult, int]]]:
        """Begin to encode the masks of a chunk. A GPU counts and draws those of all images before the host waits."""
        begun, drawn = [], []
        for part, masks, scores, logits in zip(chunk, wanted, drawn_ious, low_res, strict=True):
            with part.clock.measure("postprocess"):
                begun.append(begin_result(part.request, part.rows, masks, scores, logits, self._encoder))
        for part, draw in zip(chunk, begun, strict=True):
            with part.clock.measure("postprocess"):
                drawn.append(draw())

        def complete() -> list[tuple[DecodeResult, int]]:
            results = []
            for part, scores, result in zip(chunk, ious, drawn, strict=True):
                with part.clock.measure("postprocess"):
                    results.append((result(), part.request.choice.unscored(part.rows, scores)))
            return results

        return complete


def begin_result(
    request: DecodeRequest, rows: slice, wanted: Tensor, ious: Tensor, low_res: Tensor, encoder: MaskEncoder
) -> Callable[[], Callable[[], DecodeResult]]:
    """Start encoding the masks `wanted` [p, 4] bool of the prompts `rows`, in the steps of `begin_encoding`.

    `ious` [n] float32 on the host and `low_res` [n, S/4, S/4] belong to the wanted masks, in their order.
    """
    view = request.view
    encoded = begin_encoding(low_res, view.frame, view.placement, request.selection, encoder)
    prompts = wanted.nonzero()[:, 0].numpy() + rows.start

    def result(finished: Callable[[], EncodedMasks]) -> DecodeResult:
        masks, sure = finished(), None
        if request.probe is not None:
            chosen = low_res[to_device(torch.from_numpy(masks.source), low_res.device)]
            sure = request.probe.sure(chosen, view.frame)
        return DecodeResult(masks, prompts[masks.source], ious.numpy()[masks.source], sure)

    return lambda: partial(result, encoded())
