"""Inputs of the job: small pictures that all differ, and two variants that need no downloads."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image, ImageDraw

from fixtures.servers.chaos_stack import VARIANT, write_pair
from samfleet.variants.catalogue import add_variants_of, get_variant
from samfleet.variants.weights.pull import pull

FIXED = "chaos_fixed"  # the same masks for all images of one size, without a network
VARIANTS = (VARIANT, FIXED)
LEAST_SIDE, MOST_SIDE = 48, 96  # pixels


def write_pictures(folder: Path, count: int) -> Path:
    """Write `count` PNG files with a bright disc each. Number and content depend on nothing but `count`."""
    folder.mkdir()
    for number in range(count):
        rng = random.Random(number)
        width, height = rng.randint(LEAST_SIDE, MOST_SIDE), rng.randint(LEAST_SIDE, MOST_SIDE)
        image = Image.new("RGB", (width, height), (30, 60, 40))
        radius = rng.randint(8, 20)
        x, y = rng.randint(radius, width - radius), rng.randint(radius, height - radius)
        ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=(230, 200, 60))
        image.save(folder / f"{number:06}.png")
    return folder


def write_variants(folder: Path, weights: Path) -> Path:
    """Write the records of `VARIANTS` into `folder`, register them in this process, and fill the weights' folder."""
    write_pair(folder)
    (folder / f"{FIXED}.yaml").write_text("title: Fixed masks\nfixed: {delay_ms: 0, masks: 3}\n")
    add_variants_of(folder)
    for name in VARIANTS:
        pull(get_variant(name), weights)
    return folder
