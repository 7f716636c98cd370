"""Parameters and FLOPs of each variant, as counted by `python -m samfleet_models.tools.complexity`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

DATA_FILE = "complexity.json"


@dataclass(frozen=True, slots=True)
class Complexity:
    """Of what samfleet runs: the fused encoder and the folded decoder, two operations per multiply-add.

    `box_flops` is a whole image with one box prompt and its mask. The grid of 32 x 32 points is counted twice, because
    masks are drawn only if their score passes: `grid_scored_flops` when none does, `grid_drawn_flops` when all do. It
    is None where no grid is asked with: the encoder then is the whole network. `detector_flops` come on top of an image
    whose boxes a detector finds.
    """

    parameters: int
    encoder_flops: int
    box_flops: int
    grid_scored_flops: int | None = None
    grid_drawn_flops: int | None = None
    detector_flops: int | None = None


@cache
def complexities() -> dict[str, Complexity]:
    """By variant; those whose network is a graph that torch cannot count are left out."""
    text = files("samfleet.variants").joinpath(DATA_FILE).read_text()
    return {name: Complexity(**values) for name, values in json.loads(text).items()}
