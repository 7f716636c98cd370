"""The 25 sets of Segmentation in the Wild (SGinW), each with COCO annotations of its validation images.

Address and folders: README.md of microsoft/X-Decoder, branch seginw, and the datasets registered there. Neither size
nor hash of the archive is published.
"""

from __future__ import annotations

from samfleet.datasets.recipes.record import Recipe, RemoteFile

SETS = (
    "Airplane-Parts",
    "Bottles",
    "Brain-Tumor",
    "Chicken",
    "Cows",
    "Electric-Shaver",
    "Elephants",
    "Fruits",
    "Garbage",
    "Ginger-Garlic",
    "Hand",
    "Hand-Metal",
    "House-Parts",
    "HouseHold-Items",
    "Nutterfly-Squireel",
    "Phones",
    "Poles",
    "Puppies",
    "Rail",
    "Salmon-Fillet",
    "Strawberry",
    "Tablets",
    "Toolkits",
    "Trash",
    "Watermelon",
)
ARCHIVE = RemoteFile("https://projects4jw.blob.core.windows.net/x-decoder/release/seginw.zip")

RECIPES = tuple(
    Recipe(
        name=f"sginw_{folder.lower().replace('-', '_')}",
        title=f"SGinW {folder}",
        version="2022",
        layout="zip_of_sets",
        licence="the terms of each set on Roboflow",
        page="https://eval.ai/web/challenges/challenge-page/1931/overview",
        terms=("SGinW-terms",),
        archive=ARCHIVE,
        member=f"seginw/{folder}/valid/_annotations_min1cat.coco.json",
    )
    for folder in SETS
)
