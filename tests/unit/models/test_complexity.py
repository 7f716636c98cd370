from __future__ import annotations

import json

import pytest
import torch

from samfleet.variants.catalogue import VARIANTS, get_variant
from samfleet.variants.complexity import complexities
from samfleet_models.complexity import count_complexity, countable, render
from samfleet_models.flops import count_flops
from samfleet_models.networks import build_network

STALE = "services/samfleet/variants/complexity.json is not of these records; run `make generated`"


def test_the_committed_figures_are_those_that_are_counted() -> None:
    record = get_variant("mobile_sam")
    assert complexities()["mobile_sam"] == count_complexity(record), STALE
    assert json.loads(render([record])).keys() == {"mobile_sam"}


def test_every_variant_that_can_be_counted_is_in_the_file() -> None:
    assert set(complexities()) == {record.name for record in VARIANTS.values() if countable(record)}, STALE


def test_more_work_is_counted_as_more() -> None:
    for figures in complexities().values():
        assert figures.encoder_flops < figures.box_flops < figures.grid_scored_flops <= figures.grid_drawn_flops


def test_known_sizes() -> None:
    """As their papers and checkpoints have them."""
    assert complexities()["mobile_sam"].parameters == 10_130_092
    assert complexities()["sam_vit_b"].parameters == 93_735_472


@pytest.mark.heavy
def test_the_meta_device_counts_what_runs() -> None:
    network = build_network(get_variant("mobile_sam"))
    with torch.inference_mode():
        flops = count_flops(lambda: network.encode(torch.zeros(1, 3, 1024, 1024)))
    assert flops == complexities()["mobile_sam"].encoder_flops
