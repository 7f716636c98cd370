"""SlimSAM is published with the keys of transformers' SamModel and with SAM's: both files give the same network."""

from __future__ import annotations

import json

import pytest
import torch

from fixtures.models.shared_data import shared_path
from samfleet.variants.catalogue import get_variant
from samfleet_models.checkpoints.hf_keys import official_key
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork

VARIANTS = ["slimsam_uniform_50", "slimsam_uniform_77"]
TIED = ("shared_image_embedding.positional_embedding", "prompt_encoder.shared_embedding.positional_embedding")


def untrained(variant: str) -> SamNetwork:
    with torch.device("meta"):
        return build_network(get_variant(variant))


def published(variant: str, manifest: str) -> dict[str, tuple[int, ...]]:
    values = json.loads(shared_path("parity", variant, manifest).read_text())
    return {key: tuple(value["shape"]) for key, value in values.items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_hugging_face_keys_are_mapped_to_the_original_ones(variant: str) -> None:
    pairs = json.loads(shared_path("parity", variant, "key_map_hf_to_pth.json").read_text())
    assert {key: official_key(key) for key in pairs} == pairs


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_original_file_is_accepted(variant: str) -> None:
    untrained(variant).check_published(published(variant, "manifest_pth.json"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_tied_tensors_may_be_stored_under_both_names_or_one(variant: str) -> None:
    shapes = published(variant, "manifest.json")
    first, second = TIED
    network = untrained(variant)
    network.check_published({**shapes, second: shapes[first]})
    network.check_published({second if key == first else key: value for key, value in shapes.items()})
