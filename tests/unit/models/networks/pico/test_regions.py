from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from reference.plain_regions import Box, mask_slowly, square_slowly, window_slowly
from samfleet_models.networks.pico.regions import REGIONS, Region, RegionKind, cut, paste

WIDTH, HEIGHT = 150, 110
PLAIN = {"square": square_slowly, "window": window_slowly}
BOXES: list[Box] = [
    (30.0, 20.0, 100.0, 80.0),
    (15.0, 1.0, 85.0, 8.0),  # 7.000000000000001 pixels of margin
    (0.0, 0.0, 150.0, 110.0),
    (140.0, 100.0, 149.5, 109.0),
    (-20.0, -10.0, 12.0, 30.0),
    (60.5, 40.25, 60.5, 90.0),  # no width
    (75.0, 55.0, 75.0, 55.0),  # a point
    (200.0, 20.0, 240.0, 60.0),  # right of the image
    (-90.0, -90.0, -50.0, -50.0),
]


@pytest.mark.parametrize("kind", PLAIN)
def test_regions_are_those_of_the_description(kind: RegionKind) -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(-40, 190, (300, 4)).round(1)
    drawn = [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners.tolist()]
    for box in BOXES + drawn:
        region = REGIONS[kind](box, (HEIGHT, WIDTH), 96)
        expected = PLAIN[kind](box, WIDTH, HEIGHT)
        empty = expected[2] <= expected[0] or expected[3] <= expected[1]
        assert region.empty == empty, box
        assert empty or (region.x0, region.y0, region.x1, region.y1) == expected, box


def wavy(part: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return logits that depend on the pixels, with many zero crossings."""
    logits: NDArray[np.float32] = np.sin(part.astype(np.float32).sum(axis=2) / 40)
    return logits


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("box", BOXES)
def test_masks_are_those_of_the_plain_loops(kind: RegionKind, box: Box) -> None:
    rng = np.random.default_rng(1)
    image = np.kron(rng.integers(0, 256, (11, 15, 3)), np.ones((10, 10, 1))).astype(np.uint8)
    region = REGIONS[kind](box, (HEIGHT, WIDTH), 96)
    logits = torch.zeros(96, 96) if region.empty else torch.from_numpy(wavy(cut(image, region, 96)))
    (mask,) = paste(logits, region, (HEIGHT, WIDTH), (0.0,))
    expected = mask_slowly(image, PLAIN[kind](box, WIDTH, HEIGHT), wavy)
    assert bool(mask.any()) != region.empty
    # a probability of 0.5 up to rounding may fall on either side
    assert (mask != expected).sum() <= 2
    assert not mask[: region.y0].any()
    assert not mask[:, : region.x0].any()


def test_thresholds_give_nested_masks_inside_the_region() -> None:
    logits = torch.linspace(-3, 3, 96).expand(96, 96)
    low, middle, high = paste(logits, Region(10, 20, 60, 70), (HEIGHT, WIDTH), (-1.0, 0.0, 1.0))
    assert low.sum() > middle.sum() > high.sum() > 0
    assert middle.sum() == 50 * 25
    assert middle[20:70, 35:60].all()
