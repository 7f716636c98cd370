"""SqueezeSAM learns the teacher's masks: the whole network is trained, from prompts to masks and predicted IoUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet.variants.record import VariantRecord
from samfleet_models.device.transfers import to_device
from samfleet_models.distillation.answers import Answer
from samfleet_models.distillation.augmentation import Example, augmented
from samfleet_models.distillation.losses import DICE_WEIGHT, FOCAL_WEIGHT, IOU_WEIGHT, mask_loss
from samfleet_models.distillation.objective import Sample
from samfleet_models.distillation.plan import Plan
from samfleet_models.distillation.teacher import Teacher
from samfleet_models.mask_generation.prompt_tokens import prompt_tokens
from samfleet_models.modeling.mask_decoder import MULTI
from samfleet_models.modeling.squeeze_sam.network import PATCH
from samfleet_models.modeling.squeeze_sam.prompt_planes import prompt_planes
from samfleet_models.networks.squeeze.network import SqueezeNetwork

COVERED = 0.5  # share of a mask pixel that the teacher's mask must cover


class MaskObjective:
    losses = (
        f"{FOCAL_WEIGHT:g} focal + {DICE_WEIGHT:g} dice of the best of three masks, "
        f"{IOU_WEIGHT:g} MSE of predicted IoUs"
    )

    def __init__(self, record: VariantRecord, teacher: Teacher, plan: Plan, device: torch.device) -> None:
        self.record = record
        self.network = SqueezeNetwork(record).to(device)
        self.samples_per_image = plan.samples_per_image
        self._teacher = teacher
        self._plan = plan

    @property
    def trained(self) -> nn.Module:
        return self.network.network

    def loss(self, samples: Sequence[Sample]) -> Tensor:
        examples = [example for sample in samples if (example := self._example(sample)) is not None]
        if not examples:
            return next(self.trained.parameters()).sum() * 0
        inputs, targets = (torch.cat(parts) for parts in zip(*map(self._tensors, examples), strict=True))
        device = self.network.device
        logits, ious = self.trained(to_device(inputs, device))
        chosen = list(MULTI)
        return mask_loss(logits[:, chosen].float(), ious[:, chosen].float(), to_device(targets, device))

    def state(self) -> Mapping[str, Tensor]:
        return self.trained.state_dict()

    def _example(self, sample: Sample) -> Example | None:
        """Return the example of a sample, None for an image in which the teacher finds nothing."""
        answers = self._teacher.answers(sample.image, self._plan.grid, self._plan.seed)
        if not answers:
            return None
        if sample.seed is None:
            return _example_of(sample, answers[sample.number % len(answers)])
        random = np.random.default_rng(sample.seed)
        return augmented(_example_of(sample, answers[int(random.integers(len(answers)))]), random)

    def _tensors(self, example: Example) -> tuple[Tensor, Tensor]:
        """Return the network's input [1, 5, S, S] and the target [1, S/2, S/2], on the host."""
        processor = self.network.processor
        side, host = processor.input_size, torch.device("cpu")
        image = processor.network_input([processor.resize(example.pixels)], host)
        frame = processor.frame(*example.mask.shape)
        coords, labels = prompt_tokens(example.prompt, frame, processor.conventions.prompts.layout)
        planes = prompt_planes(torch.from_numpy(coords)[None], torch.from_numpy(labels)[None], side)
        mask = torch.from_numpy(np.ascontiguousarray(example.mask)).float()[None, None]
        covered = functional.interpolate(mask, (side // PATCH, side // PATCH), mode="area")[0]
        return torch.cat([image, planes], 1), (covered >= COVERED).float()


def _example_of(sample: Sample, answer: Answer) -> Example:
    return Example(sample.image.pixels(), answer.mask, answer.prompt)
