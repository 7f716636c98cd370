"""SqueezeSAM as a hosted network. Nothing is computed once per image: every prompt runs the whole U-Net.

The stage `encode` therefore has almost no time, and `decode` has the network's. `PromptRules.cost` of the record counts
each prompt against the limits as the work that it is.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, cast

import torch
from torch import Tensor, nn

from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet.wire.messages import SegmentRequest
from samfleet_models.batching.requests import ImageTask
from samfleet_models.checkpoints.layouts import read_published
from samfleet_models.checkpoints.loading import fitting_keys, load_state
from samfleet_models.device.memory import few_sizes, memory_for_chunks
from samfleet_models.device.timing import StageClock
from samfleet_models.images.loading import LoadedImage
from samfleet_models.images.processor import ImageProcessor
from samfleet_models.images.transforms import Resized
from samfleet_models.mask_generation.segment import segment_image
from samfleet_models.modeling.common import Features
from samfleet_models.modeling.squeeze_sam.network import CHANNELS, PATCH, build_squeeze_sam
from samfleet_models.networks.squeeze.decoder import SqueezeDecoder
from samfleet_models.precision.compilation import CompiledEncoder, Encode, batch_sizes
from samfleet_models.precision.dtypes import DTYPES

PROMPTS_PER_PASS = {"cpu": 1, "cuda": 64}  # a prompt keeps all threads of a CPU busy
MOST_ASKED = {"cpu": 8, "cuda": 64}
# Maps of the largest level that exist together in its last convolutions, in multiples of that level's channels: the
# skip, the joined input of twice as many, a convolution's input and output, and a share for all smaller levels. Counted
# over all tensors of a forward: 7.5.
MAPS_AT_ONCE = 8


class SqueezeNetwork(nn.Module):
    """The published network of a record. It computes with a copy in the precision, made when first needed."""

    def __init__(self, record: VariantRecord, execution: Execution | None = None) -> None:
        super().__init__()
        self.processor = ImageProcessor.of(record)
        self.execution = execution or Execution()
        self._record = record
        self.network = build_squeeze_sam(record.architecture)
        self._decoder: SqueezeDecoder | None = None
        self._graph_bytes = 0

    def load(self, files: Mapping[str, Path]) -> None:
        self.load_published(read_published(self._record.checkpoint, files["network"]))

    def load_published(self, state: Mapping[str, Tensor]) -> None:
        """Load a state dict under the published keys, strictly."""
        load_state(self.network, state)
        self._decoder = None

    def check_published(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise `CheckpointMismatch` unless these are the shapes of the published keys. Allocates no memory."""
        fitting_keys(self.network, shapes)

    def warm_up(self) -> float | None:
        """Prepare the network for its execution. Return the seconds of compilation, None without it."""
        dtype, compilation = DTYPES[self.execution.precision], self.execution.compilation
        running = copy.deepcopy(self.network).to(dtype) if dtype is not torch.float32 else self.network

        def run(inputs: Tensor) -> Features:
            masks, ious = running(inputs.to(dtype))
            return masks.float(), ious.float()

        side = self.processor.input_size
        if compilation == "none":
            self._decoder = SqueezeDecoder(run, side)
            return None
        sizes = batch_sizes(PROMPTS_PER_PASS[self.device.type])
        compiled = CompiledEncoder(run, compilation, self.device, side, sizes, CHANNELS)
        seconds = compiled.warm_up()
        self._decoder, self._graph_bytes = SqueezeDecoder(cast("Encode", compiled), side), compiled.graph_bytes
        return seconds

    @torch.inference_mode()
    def embed(self, resized: Sequence[Resized], clock: StageClock) -> list[Features]:
        """Return each image's normalised pixels [1, 3, S, S] as its only feature."""
        with clock.measure("preprocess" if self.device.type == "cpu" else "encode"):  # by where it runs
            return [(self.processor.network_input([image], self.device),) for image in resized]

    def segment(self, request: SegmentRequest, image: LoadedImage, features: Features, clock: StageClock) -> ImageTask:
        return segment_image(self, request, image, features, clock)

    @property
    def decoder(self) -> SqueezeDecoder:
        if self._decoder is None:
            self.warm_up()
        return cast("SqueezeDecoder", self._decoder)

    def prompts_per_pass(self, asked: int | Literal["auto"] = "auto", points: int = 2) -> int:  # noqa: ARG002 - part of the protocol
        """Return how many prompts run together: what fits into a share of a GPU's memory, one on a CPU."""
        kind = self.device.type
        if asked != "auto":
            return min(asked, MOST_ASKED[kind])
        if kind == "cpu":
            return PROMPTS_PER_PASS[kind]
        fitting = memory_for_chunks(self.device, self._graph_bytes) // self.prompt_bytes
        return max(1, few_sizes(min(fitting, PROMPTS_PER_PASS[kind])))

    @property
    def prompt_bytes(self) -> int:
        """Bytes of the maps that exist at once for one prompt, in fp32."""
        channels = cast("tuple[int, ...]", self._record.architecture["channels"])
        pixels = (self.processor.input_size // PATCH) ** 2
        return 4 * pixels * channels[0] * MAPS_AT_ONCE

    @property
    def graph_bytes(self) -> int:
        return self._graph_bytes

    def release_memory(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _apply(self, *args: Any, **options: Any) -> Self:
        """Drop the running form when parameters move or change type."""
        self._decoder = None
        return cast("Self", super()._apply(*args, **options))  # type: ignore[no-untyped-call]  # untyped in torch

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device
