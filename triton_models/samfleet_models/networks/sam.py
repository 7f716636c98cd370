"""A variant with SAM's kind of heads: the family's image encoder and its two heads, under the official keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, cast

import torch
from torch import Tensor, nn

from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet.wire.messages import SegmentRequest
from samfleet_models.batching.requests import ImageTask
from samfleet_models.checkpoints.loading import fitting_keys, load_state, read_state
from samfleet_models.decoder.factors import scored_bytes
from samfleet_models.decoder.folded import innermost
from samfleet_models.decoder.interface import Decoder
from samfleet_models.decoder.stability_ranking import StabilityRanked
from samfleet_models.device.memory import few_sizes, memory_for_chunks
from samfleet_models.device.timing import StageClock
from samfleet_models.images.loading import LoadedImage
from samfleet_models.images.processor import ImageProcessor
from samfleet_models.images.transforms import Resized
from samfleet_models.mask_generation.segment import segment_image
from samfleet_models.modeling.common import Features
from samfleet_models.modeling.kernel_layers.replacement import has_kernels, use_kernels
from samfleet_models.modeling.quantised import Scaling, quantise_layers
from samfleet_models.networks.families import Family
from samfleet_models.precision.compilation import CompiledEncoder, Encode, Exported, batch_sizes
from samfleet_models.precision.dtypes import DTYPES, PrecisionUnsupported

IMAGES_PER_PASS = {"cpu": 1, "cuda": 64}  # two at once take a CPU a tenth longer each, and 0.4 GB more per image
MOST_PROMPTS_PER_PASS = {"cpu": 64, "cuda": 512}  # about 5 MB per prompt with its masks: 0.3 GB and 2.5 GB
# Bytes of a chunk for each thread with the CPU kernels, at least: 16 points of SAM. The kernels read the decoder's
# weights once for all prompts of a thread, and what a prompt keeps until it is drawn only for its masks.
COMPILED_BYTES_PER_LANE = 26 * 2**20


class RunningEncoder(nn.Module):
    """A fused encoder with the number type of its computation; it takes float32 pixels and returns float32 features."""

    def __init__(self, fused: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.fused, self.dtype = fused, dtype

    def forward(self, pixels: Tensor) -> Features:
        features = self.fused(pixels.to(self.dtype))
        return tuple(part.float() for part in (features if isinstance(features, tuple) else (features,)))


class SamNetwork(nn.Module):
    """The network that checkpoints load into. It computes with fused forms of its parts, made when first needed."""

    prompt_encoder: Any  # its type depends on the family
    mask_decoder: Any

    def __init__(
        self,
        record: VariantRecord,
        family: Family,
        execution: Execution | None = None,
        scalings: Mapping[str, Scaling] | None = None,
    ) -> None:
        """Make the untrained network. `scalings` are those of the encoder's integer layers, for int8."""
        super().__init__()
        self._scalings = scalings
        self.processor = ImageProcessor.of(record)
        self.execution = execution or Execution()
        self._record = record
        self._family = family
        self.image_encoder = family.build(record.architecture, record.input_size)
        self._heads = family.heads_of(record.architecture) if family.heads_of else family.heads
        self.prompt_encoder = self._heads.prompt_encoder(record.frame_size, record.frame_size // family.stride)
        self.mask_decoder = self._heads.mask_decoder()
        self._encoder: Encode | None = None
        self._graph_bytes = 0
        self._decoder: Decoder | None = None

    def load(self, files: Mapping[str, Path]) -> None:
        """Load the weights. The decoder's may be in a separate file, whose keys do not overlap with the other's."""
        published: dict[str, Tensor] = {}
        for role in sorted(files.keys() & {"network", "decoder"}):
            published |= read_state(files[role], self._record.files[role].state_key)
        self.load_published(published)

    def load_published(self, state: Mapping[str, Tensor]) -> None:
        """Load a state dict under the published keys, strictly."""
        load_state(self, self._family.image_path(state), self._family.own_key, self._unread())

    def check_published(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise `CheckpointMismatch` unless these are the shapes of the published keys. Allocates no memory."""
        state = self._family.image_path({key: torch.empty(shape, device="meta") for key, shape in shapes.items()})
        read = {key: tuple(value.shape) for key, value in state.items()}
        fitting_keys(self, read, self._family.own_key, self._unread())

    def _unread(self) -> nn.Module | None:
        """Return the module of keys that the published file has besides; a file of layout `network` has none."""
        unread = self._family.unread
        if unread is None or self._record.checkpoint.layout == "network":
            return None
        return unread(self._record.architecture)

    def encode(self, pixels: Tensor) -> Features:
        """Return float32 features of B images, the embeddings [B, 256, h, w] first, channels last in memory.

        `pixels` [B, 3, S, S] float32 are preprocessed. For the arithmetic types see `samfleet_models.precision`.
        """
        if self._encoder is None:
            self.warm_up()
        return cast("Encode", self._encoder)(pixels)

    @torch.inference_mode()
    def embed(self, resized: Sequence[Resized], clock: StageClock) -> list[Features]:
        """Return each image's features [1, ...], computed for as many images at a time as suits the device."""
        features: list[Features] = []
        for start in range(0, len(resized), self.images_per_pass):
            with clock.measure("preprocess" if self.device.type == "cpu" else "encode"):  # by where it runs
                pixels = self.processor.network_input(resized[start : start + self.images_per_pass], self.device)
            with clock.measure("encode"):
                together = self.encode(pixels)
            features += [tuple(part[row : row + 1] for part in together) for row in range(len(pixels))]
        return features

    def segment(self, request: SegmentRequest, image: LoadedImage, features: Features, clock: StageClock) -> ImageTask:
        return segment_image(self, request, image, features, clock)

    def warm_up(self) -> float | None:
        """Make the fused encoder from the current parameters. Return the seconds of compilation, None without it.

        Raise `PrecisionUnsupported` for `bf16_kernels` if kernels compute no block of the encoder.
        """
        dtype, compilation = DTYPES[self.execution.precision], self.execution.compilation
        fused = self.fused_encoder().to(dtype)
        if self.execution.precision == "int8":
            if self._scalings is None:
                raise RuntimeError("int8 needs the scalings of a calibration")
            quantise_layers(fused, self._scalings)
        elif compilation == "none":
            fused = self._on_kernels(fused, dtype)
        if self.device.type == "cuda" and dtype is not torch.float32:
            self.image_encoder.to("cpu")  # its running parts were copied; it would occupy gigabytes of the GPU

        running = RunningEncoder(fused, dtype)
        encode = running.forward  # a module as attribute would add its keys to the official ones
        if compilation == "none":
            self._encoder = encode
            return None
        sizes = batch_sizes(self.images_per_pass)
        identity = {"family": self._record.family, "architecture": dict(self._record.architecture)}
        exported = Exported(running, {**identity, "precision": self.execution.precision})
        side = self._record.input_size
        compiled = CompiledEncoder(encode, compilation, self.device, side, sizes, exported=exported)
        seconds = compiled.warm_up()
        self._encoder, self._graph_bytes = compiled, compiled.graph_bytes
        return seconds

    def _on_kernels(self, fused: nn.Module, dtype: torch.dtype) -> nn.Module:
        products = self.execution.encoder_products
        fused = use_kernels(fused, dtype, products)
        if products != "ieee" and not has_kernels(fused):
            raise PrecisionUnsupported(
                f"no kernel computes a block of the image encoder of {self._record.name}, so none multiplies in "
                f"{products}; serve it in bf16_products, which is the mask decoder alone"
            )
        return fused

    def fused_encoder(self) -> nn.Module:
        """Return the encoder that runs, made from the current parameters, in float32."""
        return self._family.fuse(self.image_encoder.to(self.device), self._record.input_size)

    @property
    def graph_bytes(self) -> int:
        return self._graph_bytes + (0 if self._decoder is None else innermost(self._decoder).graph_bytes)

    @property
    def decoder(self) -> Decoder:
        """The prompt encoder and mask decoder, folded from the current parameters on first use."""
        if self._decoder is None:
            dtype = DTYPES[self.execution.precision]
            folded = self._heads.fold(self.prompt_encoder, self.mask_decoder, dtype, self.execution.products)
            if self.execution.compilation == "cuda_graphs":
                innermost(folded).capture_scoring()
            by_stability = self.processor.conventions.masks.ranked_by == "stability"
            self._decoder = StabilityRanked(folded) if by_stability else folded
        return self._decoder

    def _apply(self, *args: Any, **options: Any) -> Self:
        """Drop the fused forms when parameters move or change type."""
        self._encoder = self._decoder = None
        return cast("Self", super()._apply(*args, **options))  # type: ignore[no-untyped-call]  # untyped in torch

    def load_state_dict(self, *args: Any, **options: Any) -> Any:
        self._encoder = self._decoder = None
        return super().load_state_dict(*args, **options)

    @property
    def images_per_pass(self) -> int:
        """Number of images that `encode` takes at a time for the best speed."""
        return IMAGES_PER_PASS[self.device.type]

    def prompts_per_pass(self, asked: int | Literal["auto"] = "auto", points: int = 2) -> int:
        """Return how many prompts of `points` points the decoder takes at a time. It affects results only by rounding.

        `asked` is an upper bound: no request may fill the memory of a shared server. "auto" keeps the decoder's state
        of a chunk within the last-level cache of a CPU or a share of a GPU's free memory, and gives every thread the
        same number of prompts. With the CPU kernels a thread has at least the prompts of `COMPILED_BYTES_PER_LANE`.
        """
        most = MOST_PROMPTS_PER_PASS[self.device.type]
        if asked != "auto":
            return min(asked, most)
        compiled = self.device.type == "cpu" and innermost(self.decoder).compiled
        pixels, tokens = self.prompt_encoder.embedding_size**2, len(self.mask_decoder.own_tokens) + points
        budget = memory_for_chunks(self.device, self.graph_bytes)
        if compiled:
            budget = max(budget, COMPILED_BYTES_PER_LANE * self.decoder.lanes)
        fitting = min(most, budget // scored_bytes(pixels, tokens, differences=compiled))
        if self.device.type == "cuda" and fitting:
            return few_sizes(fitting)
        return max(1, fitting - fitting % min(self.decoder.lanes, max(1, fitting)))

    def release_memory(self) -> None:
        """Release cached memory after a failure. Call it after the `except` block, whose traceback holds tensors."""
        if self._decoder is not None:
            self._decoder.release_memory()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @property
    def device(self) -> torch.device:
        return cast("torch.device", self.mask_decoder.iou_token.weight.device)
