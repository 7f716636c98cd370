"""A common interface of the implementations: the engine, and the two reference paths it is compared with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from benchmarks.cases import Box
from reference.official_generator import POINTS_PER_BATCH, OfficialGenerator, point_prompts
from samfleet.variants.catalogue import get_variant
from samfleet.variants.execution import Execution
from samfleet.variants.gates import Gate
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_models.checkpoints.loading import read_state
from samfleet_models.decoder.folded import FoldedDecoder
from samfleet_models.decoder.image_context import ImageContext
from samfleet_models.decoder.interface import Decoder
from samfleet_models.device.timing import StageClock
from samfleet_models.images.decode import read_image
from samfleet_models.images.transforms import ImageFrame, resize_to_frame, to_network_input
from samfleet_models.mask_generation.point_grid import point_grid
from samfleet_models.modeling.mask_decoder import MULTI
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.precision.dtypes import DTYPES
from samfleet_models.serving.engine import Engine, EngineSettings
from samfleet_models.tools.flops import count_flops
from samfleet_models.tools.gate_measurement import measure_gate

DecodeChunk = Callable[[Tensor, Tensor], object]  # coords, labels


@dataclass(frozen=True, slots=True)
class PathOptions:
    variant: str
    weights: str
    device: str
    threads: int | None
    execution: str = "fp32"

    @property
    def record(self) -> VariantRecord:
        return get_variant(self.variant)

    @property
    def checkpoint(self) -> Path:
        return Path(self.weights) / self.record.checkpoint.filename

    @property
    def settings(self) -> EngineSettings:
        execution = Execution.parse(self.execution)
        return EngineSettings(device=self.device, threads=self.threads, execution=execution, ungated=True)

    def engine(self) -> Engine:
        return Engine(self.record, self.checkpoint, self.settings)

    def state(self) -> dict[str, Tensor]:
        return read_state(self.checkpoint)

    def gate(self, images: list[Path], per_side: int, say: Callable[[str], None]) -> Gate:
        task = replace(self.record.everything, points_per_side=per_side)
        return measure_gate(self.record, self.checkpoint, self.settings, images, task, say)


@dataclass(frozen=True, slots=True)
class Found:
    """Masks of each image as run lengths {"size", "counts"}, and the sum of the stages of all images."""

    images: tuple[tuple[dict[str, Any], ...], ...]
    stages_ms: dict[str, float]

    @property
    def masks(self) -> int:
        return sum(map(len, self.images))


class MeasuredPath(Protocol):
    """An implementation that a child process measures; `data` is an image file's bytes."""

    engine: Engine

    def encode(self, data: bytes) -> Callable[[], object]: ...
    def decode(self, data: bytes, prompts: int) -> Callable[[], object]: ...
    def decode_flops(self, data: bytes, prompts: int) -> int: ...
    def everything(self, data: bytes, per_side: int) -> Found: ...


def sam_network(engine: Engine) -> SamNetwork:
    """Return the network if its heads are SAM's; only such variants have a reference path."""
    if not isinstance(engine.network, SamNetwork):
        raise TypeError(f"{engine.record.name} has no SAM heads to measure")
    return engine.network


class EnginePath:
    """The engine as the backend runs it."""

    def __init__(self, options: PathOptions) -> None:
        self.engine = options.engine()

    def encode(self, data: bytes) -> Callable[[], object]:
        pixels = network_input(self.engine, data)
        return lambda: sam_network(self.engine).encode(pixels)[0]

    def decode(self, data: bytes, prompts: int) -> Callable[[], object]:
        """Score every prompt and draw all three masks, as the others do; SegEvery draws only the masks that pass."""
        network = sam_network(self.engine)
        embedding = network.encode(network_input(self.engine, data))[0]

        def begin() -> DecodeChunk:
            return partial(draw_all, network.decoder, network.decoder.prepare((embedding,)))

        return chunked(self.engine, begin, prompts, network.prompts_per_pass())

    def decode_flops(self, data: bytes, prompts: int) -> int:
        """Count with a separate single-threaded decoder, because torch counts only the calling thread."""
        network, threads = sam_network(self.engine), torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            counted = FoldedDecoder(network.prompt_encoder, network.mask_decoder, DTYPES[network.execution.precision])
        finally:
            torch.set_num_threads(threads)
        embedding = network.encode(network_input(self.engine, data))[0]

        def begin() -> DecodeChunk:
            return partial(draw_all, counted, counted.prepare((embedding,)))

        return count_flops(chunked(self.engine, begin, prompts, network.prompts_per_pass()))

    def everything(self, data: bytes, per_side: int) -> Found:
        return self._segmented([SegmentRequest(data, parameters(self.engine, per_side))])

    def boxes(self, images: Sequence[tuple[bytes, Sequence[Box]]]) -> Found:
        """Segment one image after the other, as the official predictor does."""
        return self._segmented(
            [
                SegmentRequest(data, PromptsParameters(), tuple(Prompt(box=box) for box in boxes))
                for data, boxes in images
            ]
        )

    def _segmented(self, requests: Sequence[SegmentRequest]) -> Found:
        images, stages = [], Counter[str]()
        for request in requests:
            ((_, reply),) = self.engine.segment([request])
            report = reply.report
            if report.error_code is not None:
                raise RuntimeError(f"{report.error_code}: {report.error_message}")
            images.append(tuple({"size": mask.size, "counts": mask.counts} for mask in reply.masks))
            stages.update({stage: time.amortised_ms for stage, time in report.stages.items()})
        return Found(tuple(images), dict(stages))


class ReferencePath:
    """The official generator's steps around a decoder that is called as published: 64 prompts at a time.

    The image encoder is the published module, layer by layer; reading and resizing are the engine's own.
    """

    def __init__(self, engine: Engine, multimask: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
        self.engine = engine
        self._encode, self._multimask = sam_network(engine).image_encoder, multimask
        record = engine.record
        self._generator = OfficialGenerator(
            self._encode, multimask, record.input_size, record.conventions.preprocessing, engine.device
        )

    def encode(self, data: bytes) -> Callable[[], object]:
        pixels = network_input(self.engine, data)
        return lambda: self._encode(pixels)

    def decode(self, data: bytes, prompts: int) -> Callable[[], object]:
        embedding = self._encode(network_input(self.engine, data))
        return chunked(self.engine, lambda: partial(self._multimask, embedding), prompts, POINTS_PER_BATCH)

    def decode_flops(self, data: bytes, prompts: int) -> int:
        """Count one chunk and scale up, as every chunk costs the same."""
        chunk = min(prompts, POINTS_PER_BATCH)
        return count_flops(self.decode(data, chunk)) * prompts // chunk

    def everything(self, data: bytes, per_side: int) -> Found:
        clock = StageClock(self.engine.device)
        with clock.measure("preprocess"):
            image = read_image(data)
        masks = self._generator.generate(image, parameters(self.engine, per_side), clock)
        return Found((tuple(mask["segmentation"] for mask in masks),), clock.milliseconds())


def plain_path(options: PathOptions) -> ReferencePath:
    from reference.plain_heads import PlainHeads

    engine = options.engine()
    heads = PlainHeads(options.state(), engine.record.input_size).to(engine.device)
    return ReferencePath(engine, heads.multimask)


def transformers_path(options: PathOptions) -> ReferencePath:
    from reference.transformers_heads import TransformersHeads

    engine = options.engine()
    heads = TransformersHeads(options.state(), engine.record.input_size).to(engine.device)
    return ReferencePath(engine, heads.multimask)


PATHS: dict[str, Callable[[PathOptions], MeasuredPath]] = {
    "engine": EnginePath,
    "plain": plain_path,
    "transformers": transformers_path,
}


def parameters(engine: Engine, per_side: int) -> EverythingParameters:
    """Return the variant's own thresholds on a grid of this size."""
    return replace(engine.record.everything, points_per_side=per_side)


def network_input(engine: Engine, data: bytes) -> Tensor:
    image = read_image(data)
    side = engine.record.input_size
    resized = resize_to_frame(image, ImageFrame.of(image.shape[0], image.shape[1], side))
    return to_network_input([resized], side, engine.record.conventions.preprocessing, engine.device)


def draw_all(decoder: Decoder, context: ImageContext, coords: Tensor, labels: Tensor) -> Tensor:
    """Return logits [3 * P, S/4, S/4] of the three ambiguity-aware masks of P prompts."""
    scored = decoder.score(context, coords, labels)
    masks = torch.tensor(MULTI)
    rows = torch.arange(len(coords)).repeat_interleave(len(masks))
    return decoder.draw(scored, rows, masks.repeat(len(coords))).logits


def chunked(engine: Engine, begin: Callable[[], DecodeChunk], prompts: int, chunk: int) -> Callable[[], object]:
    """Return a function that decodes a square grid of `prompts` points and drops each chunk's logits, as SegEvery does.

    `begin` does the work that is done once per image.
    """
    side = math.isqrt(prompts)
    if side * side != prompts:
        raise ValueError(f"prompts come from a square grid; {prompts} is not a square number")
    coords, labels = point_prompts(point_grid(side) * engine.record.input_size, engine.device)

    def work() -> None:
        decode = begin()
        for start in range(0, prompts, chunk):
            decode(coords[start : start + chunk], labels[start : start + chunk])

    return work
