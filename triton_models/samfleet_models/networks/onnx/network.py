"""A variant of two ONNX graphs, in place of a torch network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self, cast

import torch
from torch import Tensor

from samfleet.errors import InvalidInput
from samfleet.variants.execution import Execution
from samfleet.variants.graphs import DecoderGraph, EncoderGraph
from samfleet.variants.record import VariantRecord
from samfleet.wire.messages import SegmentRequest
from samfleet_models.batching.requests import ImageTask
from samfleet_models.device.timing import StageClock
from samfleet_models.images.loading import LoadedImage
from samfleet_models.images.processor import ImageProcessor
from samfleet_models.images.transforms import Resized
from samfleet_models.mask_generation.segment import segment_image
from samfleet_models.modeling.common import Features
from samfleet_models.modeling.prompt_encoder import Label
from samfleet_models.networks.onnx.decoder import OnnxDecoder
from samfleet_models.networks.onnx.graph import Graph

PROMPTS_PER_PASS = 64  # 0.8 MB of logits for each of three masks


class GraphExecutionFixed(InvalidInput):
    """An ONNX graph computes in the precision in which it was exported; serve the variant in plain fp32."""

    code = "onnx_execution_fixed"


class OnnxNetwork:
    """A network of two graphs, whose names are in `record.architecture`. `warm_up` opens them on the current device."""

    def __init__(self, record: VariantRecord, execution: Execution | None = None) -> None:
        if execution is not None and not execution.is_reference:
            raise GraphExecutionFixed(f"{record.name}: {GraphExecutionFixed.__doc__}")
        self.processor = ImageProcessor.of(record)
        self.device = torch.device("cpu")
        self._encoder_names = cast("EncoderGraph", record.architecture["encoder"])
        self._decoder_names = cast("DecoderGraph", record.architecture["decoder"])
        self._files: Mapping[str, Path] = {}
        self._encoder: Graph | None = None
        self._decoder: OnnxDecoder | None = None

    def load(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._encoder = self._decoder = None

    def to(self, device: torch.device) -> Self:
        self.device = device
        self._encoder = self._decoder = None
        return self

    def warm_up(self) -> None:
        """Open the graphs and run them once, so that a mismatch shows here and not in a request."""
        names = self._encoder_names
        self._encoder = Graph(self._files["network"], self.device)
        self._encoder.require((names.image,), names.features)
        graph = Graph(self._files["decoder"], self.device)
        self._decoder = OnnxDecoder(graph, self._decoder_names, self.processor.frame_size, self.device)
        side = self.processor.input_size
        context = self._decoder.prepare(self._features(torch.zeros(1, 3, side, side)))
        box = torch.tensor([[[0.0, 0.0], [side / 2, side / 2]]])
        self._decoder.score(context, box, torch.tensor([[Label.BOX_TOP_LEFT, Label.BOX_BOTTOM_RIGHT]]))

    def embed(self, resized: Sequence[Resized], clock: StageClock) -> list[Features]:
        """Encode one image after the other, because most exports have a fixed batch size of one."""
        features = []
        for image in resized:
            with clock.measure("preprocess"):
                pixels = self.processor.network_input([image], torch.device("cpu"))
            with clock.measure("encode"):
                features.append(self._features(pixels))
        return features

    def _features(self, pixels: Tensor) -> Features:
        """Return features on the host for `pixels` [1, 3, S, S]."""
        if self._encoder is None:
            self.warm_up()
        names = self._encoder_names
        image = pixels if names.layout == "nchw" else pixels.permute(0, 2, 3, 1)
        fed = image[0] if names.layout == "hwc" else image
        found = cast("Graph", self._encoder).run(names.features, {names.image: fed.numpy()})
        return tuple(torch.from_numpy(array) for array in found)

    def segment(self, request: SegmentRequest, image: LoadedImage, features: Features, clock: StageClock) -> ImageTask:
        return segment_image(self, request, image, features, clock)

    @property
    def decoder(self) -> OnnxDecoder:
        if self._decoder is None:
            self.warm_up()
        return cast("OnnxDecoder", self._decoder)

    def prompts_per_pass(self, asked: int | Literal["auto"] = "auto", points: int = 2) -> int:  # noqa: ARG002 - part of the protocol
        """Return the number of prompts in a chunk; the decoder splits it into runs of the graph."""
        return PROMPTS_PER_PASS if asked == "auto" else min(asked, PROMPTS_PER_PASS)

    @property
    def graph_bytes(self) -> int:
        return 0

    def release_memory(self) -> None:
        """Do nothing: ONNX Runtime keeps its arenas, and scored prompts are freed with the chunk."""
