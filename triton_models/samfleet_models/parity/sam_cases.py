"""Compares networks with SAM's kind of heads: pixels, embedding, logits, IoU head, stabilities, final masks.

Logits and IoUs come from the production decoder; masks take the whole path of a request's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet.masks.rle import decode_mask
from samfleet.variants.task import Prompt, PromptsParameters
from samfleet_models.batching.chunks import ScheduledImage
from samfleet_models.batching.scheduler import PromptScheduler
from samfleet_models.decoder.interface import Decoder
from samfleet_models.device.timing import StageClock
from samfleet_models.images.loading import Failure
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.mask_generation.predictor import segment_prompts
from samfleet_models.mask_generation.prompt_tokens import prompt_tokens
from samfleet_models.modeling.common import Features
from samfleet_models.modeling.hq_mask_decoder import REFINED_ALONE
from samfleet_models.modeling.mask_decoder import MASKS
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.parity.cases import Case
from samfleet_models.parity.findings import LARGE_LOGITS, Tolerances, Verdict, host, span
from samfleet_models.postprocess.threshold import MASK_THRESHOLD
from samfleet_models.postprocess.upsample import upscale

Array = NDArray[Any]
KEY = re.compile(r"(?P<what>low_res|low_res_probe|iou|stability|mask)_(?P<prompt>\d+)_(?P<mode>[a-z]+)(_probe|_s2)?$")
STATISTICS = re.compile(r"(embedding|interm|high_res_\d+)_(mean|std)$")
FEATURES = {"interm": 1, "high_res_0": 1, "high_res_1": 2}  # index of the features, by recorded name
CLAMPED = 32.0  # SAM 2's predictor clamps the logits that it returns
UNCOMPARED = re.compile(r"(pixels_shape|probe__.*|.*_shape|fell_back_\d+)$")


@dataclass(frozen=True, slots=True)
class Subject:
    """A network and the case it is compared on."""

    network: SamNetwork
    case: Case
    tolerances: Tolerances
    verdict: Verdict
    frame: ImageFrame
    features: Features
    contexts: dict[Decoder, Any] = field(default_factory=dict)
    outputs: dict[tuple[Decoder, Prompt, tuple[int, ...]], tuple[Tensor, Tensor]] = field(default_factory=dict)

    def check(self) -> None:
        for name, recorded in self.case.golden.items():
            if UNCOMPARED.match(name):
                continue
            if name in SIMPLE:
                SIMPLE[name](self, recorded)
            elif STATISTICS.match(name):
                self._check_statistics(name, recorded)
            elif name in FEATURES:
                found = self.features[FEATURES[name]][0, ::4, ::8, ::8]
                self.verdict.compare("skips", host(found), recorded, self.tolerances.share * span(recorded))
            elif not self._check_output(name, recorded):
                self.verdict.skipped.append(name)

    def check_embedding(self, recorded: Array) -> None:
        self.verdict.compare("embedding", host(self.features[0][0, :, ::8, ::8]), recorded, self._embedding(recorded))

    def check_embedding_c4(self, recorded: Array) -> None:
        self.verdict.compare("embedding", host(self.features[0][0, ::4]), recorded, self._embedding(recorded))

    def check_intermediate(self, recorded: Array) -> None:
        found = self.features[1][0].permute(1, 2, 0)[::8, ::8]
        self.verdict.compare("intermediate", host(found), recorded, self._embedding(recorded))

    def _embedding(self, recorded: Array) -> float:
        own = self.tolerances.embedding
        if own is None:
            return self.tolerances.share * span(recorded)
        return own * max(1.0, float(recorded.std(dtype=np.float64)))

    def _check_statistics(self, name: str, recorded: Array) -> None:
        what, _, which = name.rpartition("_")
        features = self.features[FEATURES.get(what, 0)][0].flatten(1)
        found = features.mean(1) if which == "mean" else features.std(1, correction=0)
        scale = span(host(self.features[FEATURES.get(what, 0)]))
        self.verdict.compare(f"{what} statistics", host(found), recorded, self.tolerances.share * scale)

    def _check_output(self, name: str, recorded: Array) -> bool:
        found = KEY.match(name)
        decode = OUTPUTS.get(found["mode"]) if found else None
        if found is None or decode is None:
            return False
        prompt = self.case.prompts[int(found["prompt"])]
        if found["what"] == "mask":
            self._check_masks(prompt, found["mode"], recorded, self.case.golden[f"{name}_shape"])
            return True
        logits, ious, stabilities = decode(self, prompt)
        match found["what"]:
            case "iou":
                self.verdict.compare("IoU head", host(ious), recorded, self.tolerances.ious)
            case "stability":
                self.verdict.compare("stability", host(stabilities), recorded, self.tolerances.ious)
            case _:
                self._check_logits(logits, recorded)
        return True

    def _check_logits(self, logits: Tensor, recorded: Array) -> None:
        if self.network.processor.conventions.prompts.layout == "sam2":
            logits = logits.clamp(-CLAMPED, CLAMPED)
        stride = logits.shape[-1] // recorded.shape[-1]
        allowed = self.tolerances.logits
        if allowed is not None and self.tolerances.large_logits and self._largest_logit() > LARGE_LOGITS:
            allowed = self.tolerances.large_logits
        if allowed is None:
            allowed = self.tolerances.share * span(recorded)
        self.verdict.compare("logits", host(logits[:, ::stride, ::stride]), recorded, allowed)

    def _largest_logit(self) -> float:
        """Return the largest recorded logit: if some are large, even small ones are differences of large numbers."""
        return max(
            float(np.abs(values).max()) for name, values in self.case.golden.items() if name.startswith("low_res")
        )

    def _check_masks(self, prompt: Prompt, mode: str, packed: Array, shape: Array) -> None:
        recorded = np.unpackbits(packed, count=int(np.prod(shape))).reshape(shape).astype(bool)
        masks = FINAL_MASKS[mode](self, prompt)
        if masks.shape != recorded.shape:
            self.verdict.problems.append(f"masks {mode} have shape {masks.shape}, recorded was {recorded.shape}")
            return
        for found, wanted in zip(masks, recorded, strict=True):
            union = np.count_nonzero(found | wanted)
            overlap = np.count_nonzero(found & wanted) / union if union else 1.0
            self.verdict.note("masks", 1 - overlap, 1 - self.tolerances.mask_iou)

    def drawn(self, decoder: Decoder, prompt: Prompt, masks: list[int]) -> tuple[Tensor, Tensor]:
        """Return logits [m, h, w] and IoUs [m] of the decoder's `masks` for one prompt.

        They are decoded once: several recorded arrays are parts of the same outputs.
        """
        key = decoder, prompt, tuple(masks)
        if key not in self.outputs:
            self.outputs[key] = self._draw(decoder, prompt, masks)
        return self.outputs[key]

    def _draw(self, decoder: Decoder, prompt: Prompt, masks: list[int]) -> tuple[Tensor, Tensor]:
        if decoder not in self.contexts:
            self.contexts[decoder] = decoder.prepare(self.features)
        layout = self.network.processor.conventions.prompts.layout
        tokens = prompt_tokens(prompt, self.frame, layout)
        coords, labels = (torch.from_numpy(part)[None].to(self.network.device) for part in tokens)
        scored = decoder.score(self.contexts[decoder], coords, labels)
        drawn = decoder.draw(scored, torch.zeros(len(masks), dtype=torch.int64), torch.tensor(masks))
        return drawn.logits.float().clone(), drawn.ious.float().clone()

    def served(self, prompt: Prompt) -> NDArray[np.bool_]:
        """Return the masks [m, h, w] that a request would get."""
        clock = StageClock(self.network.device)
        parameters = PromptsParameters(masks="all")
        task = segment_prompts(self.network, self.features, self.frame, [prompt], parameters, clock)
        ((_, masks),) = PromptScheduler(self.network).run([ScheduledImage(0, task, clock)])
        if isinstance(masks, Failure):
            raise masks.error
        return np.stack([decode_mask(mask.counts, mask.size).astype(bool) for mask in masks])


DecoderOutputs = Callable[[Subject, Prompt], tuple[Tensor, Tensor, Tensor]]


def _several(subject: Subject, prompt: Prompt) -> tuple[Tensor, Tensor, Tensor]:
    rules = subject.network.processor.conventions.masks
    masks = list(rules.multimask)
    inner = bare(subject.network.decoder)
    if rules.multimask_best_only:
        _, ious = subject.drawn(inner, prompt, masks)
        masks = [masks[int(ious.argmax())]]
    logits, ious = subject.drawn(inner, prompt, masks)
    return logits, ious, subject.drawn(subject.network.decoder, prompt, masks)[1]


def _one(subject: Subject, prompt: Prompt) -> tuple[Tensor, Tensor, Tensor]:
    logits, scores = subject.drawn(subject.network.decoder, prompt, [0])
    if subject.network.processor.conventions.masks.ranked_by == "stability":
        return logits, subject.drawn(bare(subject.network.decoder), prompt, [0])[1], scores
    return logits, scores, scores


def _static(subject: Subject, prompt: Prompt) -> tuple[Tensor, Tensor, Tensor]:
    logits, ious = subject.drawn(bare(subject.network.decoder), prompt, [0])
    return logits, ious, ious


def _all(subject: Subject, prompt: Prompt) -> tuple[Tensor, Tensor, Tensor]:
    logits, ious = subject.drawn(bare(subject.network.decoder), prompt, list(range(MASKS)))
    return logits, ious, ious


def _refined(subject: Subject, prompt: Prompt) -> tuple[Tensor, Tensor, Tensor]:
    logits, ious = subject.drawn(bare(subject.network.decoder), prompt, [REFINED_ALONE])
    return logits, ious, ious


OUTPUTS: Mapping[str, DecoderOutputs] = {
    "multi": _several,
    "single": _one,
    "static": _static,
    "all": _all,
    "hqonly": _refined,
}
FINAL_MASKS: Mapping[str, Callable[[Subject, Prompt], NDArray[np.bool_]]] = {
    "multi": lambda subject, prompt: subject.served(replace(prompt, multimask=True)),
    "single": lambda subject, prompt: subject.served(prompt),
    "all": lambda subject, prompt: thresholded(_all(subject, prompt)[0], subject.frame),
    "hqonly": lambda subject, prompt: thresholded(_refined(subject, prompt)[0], subject.frame),
    "static": lambda subject, prompt: thresholded(_static(subject, prompt)[0], subject.frame),
}
SIMPLE: Mapping[str, Callable[[Subject, Array], None]] = {
    "embedding_probe": Subject.check_embedding,
    "embedding_c4": Subject.check_embedding_c4,
    "interm_probe": Subject.check_intermediate,
}


def bare(decoder: Decoder) -> Decoder:
    """Return the innermost decoder, without those that rank or replace its masks."""
    while (inner := getattr(decoder, "inner", None)) is not None:
        decoder = inner
    return decoder


def thresholded(logits: Tensor, frame: ImageFrame) -> NDArray[np.bool_]:
    masks: NDArray[np.bool_] = host(upscale(logits, frame) > MASK_THRESHOLD)
    return masks


@torch.inference_mode()
def check_case(network: SamNetwork, case: Case, tolerances: Tolerances, verdict: Verdict) -> None:
    processor = network.processor
    height, width, _ = case.image.shape
    pixels = processor.network_input([processor.resize(case.image)], network.device)
    if (recorded := case.golden.get("pixels_probe")) is not None:
        grey = tolerances.grey_levels / min(processor.conventions.preprocessing.std)
        verdict.compare("pixels", host(pixels[0, :, ::16, ::16]), recorded, tolerances.pixels or grey)
    features = network.encode(pixels)
    golden = {name: value for name, value in case.golden.items() if name != "pixels_probe"}
    subject = replace(case, golden=golden)
    Subject(network, subject, tolerances, verdict, processor.frame(height, width), features).check()
