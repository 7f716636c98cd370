"""A user's own weights for the architecture of a hosted variant: the YAML file that `samfleet distill` writes.

    like: mobile_sam          # the variant whose architecture and conventions it has
    network: {file: mine.safetensors, sha256: ...}

The file of weights has all tensors of the network, under samfleet's own keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from samfleet.licences import OWN
from samfleet.variants.conventions import Conventions, PromptRules
from samfleet.variants.record import Checkpoint, VariantRecord
from samfleet.variants.typed_fields import FieldInvalid, changed, mapping, value_of

SUFFIXES = (".safetensors", ".pt", ".pth")
NETWORK, ORIGIN = "network", "origin"
UNTRAINED = frozenset({"onnx", "module"})  # layouts of files whose variants cannot be trained here


@dataclass(frozen=True, slots=True)
class TrainedFacts:
    """Plain values at the top level of a file; 0 and None keep those of the variant that it is like."""

    title: str = ""
    like: str = ""
    input_size: int = 0
    code_licence: str = OWN
    weights_licence: str = OWN
    repository: str = ""
    max_batch_size: int = 8


def trained_record(
    name: str,
    facts: TrainedFacts,
    sections: Mapping[str, Any],
    known: Mapping[str, VariantRecord],
    checkpoint_of: Callable[[str, object, tuple[str, ...]], Checkpoint],
) -> VariantRecord:
    """Return the record of a file with `like`. `known` are the hosted variants.

    `checkpoint_of(section, values, suffixes)` reads the location of the weights.
    """
    like = known.get(facts.like)
    if like is None or like.checkpoint.layout in UNTRAINED or like.detector is not None or like.role != "segmenter":
        raise FieldInvalid(f"variant.like is {facts.like}; write the name of a hosted variant with a torch network")
    checkpoint = checkpoint_of(NETWORK, sections.get(NETWORK), SUFFIXES)
    old = like.conventions
    conventions = Conventions(
        preprocessing=changed(old.preprocessing, sections.get("preprocessing", {}), "preprocessing"),
        prompts=own_prompts(old.prompts, sections.get("prompts", {})),
        masks=changed(old.masks, sections.get("masks", {}), "masks"),
        samplers=old.samplers,
        box_sources=old.box_sources,
    )
    return replace(
        like,
        name=name,
        title=facts.title or name,
        checkpoint=replace(checkpoint, layout="network"),
        companions={},
        input_size=facts.input_size or like.input_size,
        code_licence=facts.code_licence,
        weights_licence=facts.weights_licence,
        repository=facts.repository or like.repository,
        paper=changed(like.paper, sections.get("paper", {}), "paper"),
        conventions=conventions,
        everything=changed(like.everything, sections.get("everything", {}), "everything"),
        parity="unverified",
        max_batch_size=facts.max_batch_size,
        origin=_origin(sections.get(ORIGIN, {})),
    )


def _origin(values: object) -> Mapping[str, str]:
    given = mapping(values, ORIGIN)
    return {key: value_of(str, value, f"{ORIGIN}.{key}") for key, value in given.items()}


def own_prompts(known: PromptRules, values: object) -> PromptRules:
    """Return the rules of a user's variant. Raises `FieldInvalid` for masks that its decoder does not take."""
    prompts = changed(known, values, "prompts")
    if prompts.masks and not known.masks:
        raise FieldInvalid("prompts.masks is true, but this decoder gets no masks; leave it out")
    return prompts
