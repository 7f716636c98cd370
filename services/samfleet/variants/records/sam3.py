"""SAM 3's tracker on single images: SAM 2's prompts and heads on SAM 3's image encoder. It takes no text.

Meta gives the weights only to people who accept its licence on a form, so a person has to fetch them. Both published
files fit: `sam3.pt`, and `model.safetensors` of transformers. The repository has no generator for SegEvery, so the
defaults are those of SAM 2, whose heads these are. The official predictor also fills holes of up to 256 pixels in the
low-resolution logits if its CUDA kernels are installed; samfleet, like transformers, leaves the logits as they are.

Tests compare with transformers on random weights. The modules of the official code (99d02f2) gave the same logits too,
within 3e-6 of the largest; no test repeats that. The epsilon of the trunk's norms is the official code's 1e-5;
transformers' default is 1e-6.
"""

from __future__ import annotations

from dataclasses import replace

from samfleet.variants.conventions import Preprocessing
from samfleet.variants.record import Checkpoint, ManualSource, Paper, VariantRecord
from samfleet.variants.records import sam2

LICENCE = "SAM-License"  # from Meta; not in the SPDX list
INPUT_SIZE = 1008
STATE_KEY = "model"

CONVENTIONS = replace(
    sam2.CONVENTIONS,
    preprocessing=Preprocessing(
        resize="stretch", filter="float_antialiased", mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5)
    ),
)
"""Conventions of `SAM3InteractiveImagePredictor` (sam3/model/sam1_task_predictor.py, utils/sam1_utils.py)."""

_SAM3_TRACKER = VariantRecord(
    name="sam3_tracker",
    title="SAM 3's tracker",
    family="sam3",
    architecture={
        "dim": 1024,
        "heads": 16,
        "depth": 32,
        "hidden": 4736,
        "window": 24,
        "global_blocks": (7, 15, 23, 31),
        "position_grid": 24,
    },
    checkpoint=Checkpoint(
        filename="sam3.pt",
        size_bytes=None,
        sha256=None,
        sources=(ManualSource("https://huggingface.co/facebook/sam3"),),
        state_key=STATE_KEY,
    ),
    input_size=INPUT_SIZE,
    code_licence=LICENCE,
    weights_licence=LICENCE,
    repository="https://github.com/facebookresearch/sam3",
    paper=Paper("SAM 3: Segment Anything with Concepts", "2511.16719"),
    conventions=CONVENTIONS,
    everything=sam2.EVERYTHING,
    parity="reference",
)

RECORDS = (_SAM3_TRACKER,)
