"""The teacher: a hosted variant, loaded when an answer is missing from the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from samfleet.variants.record import VariantRecord
from samfleet.variants.weights.pins import expected_sha256
from samfleet_models.batching.interface import Network
from samfleet_models.checkpoints.loading import load_weights
from samfleet_models.distillation.answers import Answer, ask_teacher, unpack_answers
from samfleet_models.distillation.cache import AnswerCache, key_of
from samfleet_models.distillation.images import TrainingImage
from samfleet_models.distillation.segmenting import EncodedImage
from samfleet_models.networks.registry import network_of


class Teacher:
    """Answers for images, from the cache or from the teacher's network in plain fp32."""

    def __init__(self, record: VariantRecord, checkpoint: Path, device: torch.device, cache: AnswerCache) -> None:
        self.record = record
        self._checkpoint = checkpoint
        self._device = device
        self._cache = cache
        self._sha256s = [expected_sha256(file, checkpoint.parent) for file in record.files.values()]

    @property
    def sha256(self) -> str:
        """Hash of the teacher's only file, or of the hashes of its files."""
        first, *others = self._sha256s
        return first if not others else hashlib.sha256(" ".join(self._sha256s).encode()).hexdigest()

    @cached_property
    def network(self) -> Network:
        network = network_of(self.record)
        load_weights(network, self.record, self._checkpoint)
        network.to(self._device)
        network.warm_up()
        return network

    def embedding(self, image: TrainingImage) -> Tensor:
        """Return the embedding [C, h, w] in float32 on the host.

        It is stored in float16 and always passes through it, so that a cached answer equals a computed one.
        """

        def make() -> bytes:
            found = EncodedImage(self.network, image.pixels()).embedding[0]
            stored: bytes = found.to("cpu", torch.float16).contiguous().numpy().tobytes()
            return np.array(found.shape, np.int64).tobytes() + stored

        packed = self._get("embedding", image, make)
        shape = np.frombuffer(packed[:24], np.int64).tolist()
        return torch.from_numpy(np.frombuffer(packed[24:], np.float16).astype(np.float32).reshape(shape))

    def answers(self, image: TrainingImage, grid: int, seed: int) -> tuple[Answer, ...]:
        """Return the masks of the image's prompts, which depend on the image's bytes and the seed."""

        def make() -> bytes:
            pixels = image.pixels()
            encoded = EncodedImage(self.network, pixels)
            own_seed = int(key_of(seed, image.sha256)[:12], 16)
            return ask_teacher(encoded, self.record, (pixels.shape[0], pixels.shape[1]), grid, own_seed)

        return unpack_answers(self._get(f"masks {grid} {seed}", image, make))

    def _get(self, kind: str, image: TrainingImage, make: Callable[[], bytes]) -> bytes:
        return self._cache.get(key_of(kind, image.sha256, self.sha256, self.record.input_size), make)
