"""UVO v1, dense val: 256 videos of Kinetics-400 val, three seconds each, annotated at 30 frames a second.

The authors publish the annotations in a folder of Google Drive, from which programs may not fetch, and scripts that get
the videos from YouTube and split them into frames. Source: the kit guide of UVO v1.0.
"""

from __future__ import annotations

from samfleet.datasets.recipes.record import Recipe

RECIPES = (
    Recipe(
        name="uvo_dense_val",
        title="UVO v1 dense val, frames",
        version="1.0",
        layout="videos",
        licence="annotations under the terms of UVO's page; frames under those of each video on YouTube",
        page="https://sites.google.com/view/unidentified-video-object",
        terms=("Kinetics-terms",),
        member="VideoDenseSet/UVO_video_val_dense.json",
        frames="uvo_videos_dense_frames",
        by_hand="download VideoDenseSet from the page, and make the frames with its scripts: download_kinetics.py, "
        "preprocess_kinetics.py, video2frames.py",
    ),
)
