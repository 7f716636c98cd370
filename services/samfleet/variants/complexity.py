"""Parameters and FLOPs of each variant, as counted by `python -m samfleet_models.tools.complexity`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

DATA_FILE = "complexity.json"


@dataclass(frozen=True, slots=True)
class Complexity:
    """Parameters and operations of the fused encoder and the folded decoder; a multiply-add counts as two operations.

    `box_flops` is a whole image with one box prompt and its mask. The grid of 32 x 32 points is counted twice, because
    a mask is drawn only if its score passes: `grid_scored_flops` if none passes, `grid_drawn_flops` if all do. Both are
    None for a network without point prompts on a grid: there the encoder is the whole network. `detector_flops` are
    added if a detector finds the boxes of the image.
    """

    parameters: int
    encoder_flops: int
    box_flops: int
    grid_scored_flops: int | None = None
    grid_drawn_flops: int | None = None
    detector_flops: int | None = None


@cache
def complexities() -> dict[str, Complexity]:
    """Return complexities by variant, without the ONNX graphs, which torch cannot count."""
    text = files("samfleet.variants").joinpath(DATA_FILE).read_text()
    return {name: Complexity(**values) for name, values in json.loads(text).items()}
