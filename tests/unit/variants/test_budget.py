from __future__ import annotations

from typing import Any

import pytest

from samfleet.limits import MAX_PROMPTS_PER_IMAGE
from samfleet.variants.budget import (
    PromptsTooMany,
    check_masks,
    check_prompts_per_job,
    check_request,
    check_task,
    prompts_per_image,
)
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters
from samfleet_models.mask_generation.adaptive_points import grid_levels
from samfleet_models.mask_generation.point_grid import crops, layer_points_per_side
from samfleet_models.mask_generation.samplers import HierarchicalPoints


def points_asked(task: EverythingParameters) -> int:
    """Return the number of points that the engine prompts for an image without any confident pixel."""
    total = 0
    for crop in crops(1000, 1500, task.crop_n_layers, task.crop_overlap_ratio):
        side = layer_points_per_side(task.points_per_side, task.crop_n_points_downscale_factor, crop.layer)
        if task.sampler == "hierarchical":
            rounds = HierarchicalPoints.of(side, task.hierarchical_coarse_factor)
            total += len(rounds.first) + int((~rounds.asked).sum())
        elif task.sampler == "adaptive":
            total += sum(int(level.sum()) for level in grid_levels(side, task.adaptive_levels))
        else:
            total += side**2
    return total


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"points_per_side": 64},
        {"points_per_side": 7, "crop_n_layers": 3, "crop_n_points_downscale_factor": 2},
        {"points_per_side": 20, "crop_n_layers": 1},
    ],
)
@pytest.mark.parametrize("sampler", ["grid", "hierarchical", "adaptive"])
def test_prompts_are_counted_as_in_the_engine(sampler: Any, given: dict[str, Any]) -> None:
    task = EverythingParameters(sampler=sampler, **given)
    counted, asked = prompts_per_image(task), points_asked(task)
    assert asked <= counted <= 2 * asked if sampler == "hierarchical" else counted == asked


@pytest.mark.parametrize(
    "given",
    [
        {"points_per_side": 64},
        {"points_per_side": 64, "crop_n_layers": 1},
        {"crop_n_layers": 2},
        {"crop_n_layers": 4, "crop_n_points_downscale_factor": 2},
        {"sampler": "object_aware", "boxes_from": "detector"},
        {"sampler": "instances", "max_detections": 65_536},
    ],
)
def test_official_parameters_pass(given: dict[str, Any]) -> None:
    check_task(EverythingParameters(**given), MAX_PROMPTS_PER_IMAGE)


def test_too_many_prompts_are_refused_with_the_numbers_and_a_remedy() -> None:
    task = EverythingParameters(points_per_side=256, crop_n_layers=4)
    with pytest.raises(PromptsTooMany) as raised:
        check_task(task, MAX_PROMPTS_PER_IMAGE)
    for part in ("22347776", "32768", "points_per_side (256)", "crop_n_layers (4)", "SAMFLEET_MAX_PROMPTS_PER_IMAGE"):
        assert part in raised.value.message
    with pytest.raises(PromptsTooMany, match=r"lower max_detections \(40000\)"):
        check_task(
            EverythingParameters(sampler="object_aware", boxes_from="detector", max_detections=40_000),
            MAX_PROMPTS_PER_IMAGE,
        )
    with pytest.raises(PromptsTooMany, match=r"needs 11 prompts .* accepts 10 \(SAMFLEET_MAX_PROMPTS_PER_JOB\)"):
        check_prompts_per_job(11, 10)


def test_points_of_prompts_are_counted() -> None:
    many = Prompt(points=((1.0, 1.0),) * 6, labels=(1,) * 6)
    check_request(PromptsParameters(), [many, Prompt(box=(0, 0, 1, 1))], 7)
    with pytest.raises(PromptsTooMany, match="that is 7 prompts"):
        check_request(PromptsParameters(), [many, Prompt(box=(0, 0, 1, 1))], 6)


def test_the_number_of_masks_is_bounded_by_their_bytes() -> None:
    check_masks(100, 100)
    with pytest.raises(Exception, match=r"more than 100 bytes \(SAMFLEET_MAX_MASK_BYTES\)"):
        check_masks(101, 100)
