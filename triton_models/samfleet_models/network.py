"""One variant's network: the family's image encoder and SAM's two heads, under the official keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self, cast

import torch
from torch import Tensor, nn

from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet_models.chunks import memory_for_chunks
from samfleet_models.compilation import CompiledEncoder, Encode, batch_sizes
from samfleet_models.decoding import Decoder
from samfleet_models.families import FAMILIES
from samfleet_models.folded.decoder import FoldedDecoder, scored_bytes
from samfleet_models.mask_decoder import MaskDecoder
from samfleet_models.precision import DTYPES
from samfleet_models.prompt_encoder import PromptEncoder

STRIDE = 16  # network input pixels per embedding pixel
IMAGES_PER_PASS = {"cpu": 1, "cuda": 64}  # a CPU takes a tenth longer for each of two, 0.4 GB more for every one
MOST_PROMPTS_PER_PASS = {"cpu": 64, "cuda": 512}  # about 5 MB per prompt with its masks: 0.3 GB and 2.5 GB


class SamNetwork(nn.Module):
    """What checkpoints load into. It computes through forms of its parts that are made from them when first needed."""

    def __init__(
        self,
        image_encoder: nn.Module,
        fuse: Callable[[nn.Module, int], nn.Module],
        input_size: int,
        execution: Execution | None = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.execution = execution or Execution()
        self._fuse = fuse
        self.image_encoder = image_encoder
        self.prompt_encoder = PromptEncoder(input_size, input_size // STRIDE)
        self.mask_decoder = MaskDecoder()
        self._encoder: Encode | None = None
        self._decoder: Decoder | None = None

    def encode(self, pixels: Tensor) -> Tensor:
        """Embeddings [B, 256, S/16, S/16] float32, channels last in memory.

        `pixels` [B, 3, S, S] float32 are preprocessed. What is computed in which type: `samfleet_models.precision`.
        """
        if self._encoder is None:
            self.warm_up()
        return cast("Encode", self._encoder)(pixels)

    def warm_up(self) -> float | None:
        """Makes the encoder that runs of the present parameters; the seconds that compiling it took, if it is."""
        dtype, compilation = DTYPES[self.execution.precision], self.execution.compilation
        fused = self._fuse(self.image_encoder, self.input_size).to(dtype)

        def encode(pixels: Tensor) -> Tensor:  # the module itself would join the official keys
            embeddings: Tensor = fused(pixels.to(dtype))
            return embeddings.float()

        if compilation == "none":
            self._encoder = encode
            return None
        sizes = batch_sizes(self.images_per_pass)
        compiled = CompiledEncoder(encode, compilation, self.device, self.input_size, sizes)
        seconds = compiled.warm_up()
        self._encoder = compiled
        return seconds

    @property
    def decoder(self) -> Decoder:
        """The prompt encoder and mask decoder, folded from the present parameters when first asked for."""
        if self._decoder is None:
            dtype = DTYPES[self.execution.precision]
            self._decoder = FoldedDecoder(self.prompt_encoder, self.mask_decoder, dtype)
        return self._decoder

    def _apply(self, *args: Any, **options: Any) -> Self:
        """Parameters move or change type: what was made from them is void."""
        self._encoder = self._decoder = None
        return cast("Self", super()._apply(*args, **options))  # type: ignore[no-untyped-call]  # untyped in torch

    def load_state_dict(self, *args: Any, **options: Any) -> Any:
        self._encoder = self._decoder = None
        return super().load_state_dict(*args, **options)

    @property
    def images_per_pass(self) -> int:
        """How many images `encode` takes at a time for the best speed."""
        return IMAGES_PER_PASS[self.device.type]

    def prompts_per_pass(self, asked: int | Literal["auto"] = "auto", points: int = 2) -> int:
        """How many prompts of so many `points` the decoder takes at a time; no result depends on it.

        What is asked for is an upper bound: no request may fill the memory of a server that others use. "auto" keeps
        what the decoder remembers of a chunk within the last-level cache of a CPU or a share of a GPU's free memory,
        and gives every lane as much to do.
        """
        most = MOST_PROMPTS_PER_PASS[self.device.type]
        if asked != "auto":
            return min(asked, most)
        tokens = len(self.mask_decoder.own_tokens) + self.prompt_encoder.token_count(points)
        prompt_bytes = scored_bytes(self.prompt_encoder.embedding_size**2, tokens)
        fitting = min(most, memory_for_chunks(self.device) // prompt_bytes)
        return max(1, fitting - fitting % min(self.decoder.lanes, max(1, fitting)))

    def release_memory(self) -> None:
        """Gives cached memory back after a failure; only outside the `except`, whose traceback still holds tensors."""
        if self._decoder is not None:
            self._decoder.release_memory()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @property
    def device(self) -> torch.device:
        return self.mask_decoder.iou_token.weight.device


def build_network(record: VariantRecord, execution: Execution | None = None) -> SamNetwork:
    """The untrained network of a record, ready for its official checkpoint."""
    family = FAMILIES[record.family]
    encoder = family.build(record.architecture, record.input_size)
    return SamNetwork(encoder, family.fuse, record.input_size, execution).eval()
