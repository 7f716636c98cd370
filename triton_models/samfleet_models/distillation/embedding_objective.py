"""An image encoder learns the teacher's embeddings; the decoder is the teacher's (MobileSAM, arXiv 2306.14289)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from samfleet.variants.record import VariantRecord
from samfleet_models.device.transfers import to_device
from samfleet_models.distillation.losses import embedding_loss
from samfleet_models.distillation.objective import Sample
from samfleet_models.distillation.teacher import Teacher
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork

HEADS = ("prompt_encoder.", "mask_decoder.")


class EmbeddingObjective:
    losses = "MSE of the image embedding; prompt encoder and mask decoder copied from the teacher"
    samples_per_image = 1

    def __init__(self, record: VariantRecord, teacher: Teacher, device: torch.device) -> None:
        self.record = record
        self.network = build_network(record)
        heads = {key: value for key, value in _state(teacher).items() if key.startswith(HEADS)}
        self.network.load_state_dict(heads, strict=False)
        self.network.to(device)
        self._teacher = teacher

    @property
    def trained(self) -> nn.Module:
        return self.network.image_encoder

    def loss(self, samples: Sequence[Sample]) -> Tensor:
        processor, device = self.network.processor, self.network.device
        resized = [processor.resize(sample.image.pixels()) for sample in samples]
        wanted = torch.stack([self._teacher.embedding(sample.image) for sample in samples])
        return embedding_loss(self.trained(processor.network_input(resized, device)), to_device(wanted, device))

    def state(self) -> Mapping[str, Tensor]:
        return self.network.state_dict()


def _state(teacher: Teacher) -> Mapping[str, Tensor]:
    return cast("SamNetwork", teacher.network).state_dict()
