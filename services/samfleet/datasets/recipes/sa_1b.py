"""Shards of SA-1B: tar files of 11,000 images each with a JSON of its masks.

Meta gives the links of the shards only to those who accepted its terms. Source of the format: section Dataset of
facebookresearch/segment-anything (README.md).
"""

from __future__ import annotations

from samfleet.datasets.recipes.record import Recipe

RECIPES = (
    Recipe(
        name="sa_1b",
        title="SA-1B, the shards that you have",
        version="1",
        layout="tar_shards",
        licence="SA-1B Dataset Research License",
        page="https://ai.meta.com/datasets/segment-anything-downloads/",
        terms=("SA-1B-terms",),
        by_hand="accept the terms on the page and download one or more shards, such as sa_000020.tar",
    ),
)
