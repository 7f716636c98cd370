"""SqueezeSAM: a U-Net whose input contains the clicks and the box, so every prompt runs the whole network."""

from __future__ import annotations

from samfleet.variants.conventions import Conventions, MaskRules, Preprocessing, PromptRules
from samfleet.variants.record import Checkpoint, HttpsSource, Paper, VariantRecord
from samfleet.variants.task import EverythingParameters

# The authors added code and weights with this commit and removed both within days, "until further refactoring". The
# history still serves the file. Nobody has published its hash, so the first download is pinned.
_COMMIT = "3477a435dea34ac50838d7e8cd37f97e12a7caa4"

SQUEEZE_SAM = VariantRecord(
    name="squeezesam",
    title="SqueezeSAM",
    family="squeeze_sam",
    architecture={
        "channels": (64, 128, 128, 128, 128, 164, 256, 256),
        "transformer_depth": 2,
        "hidden": 256,
    },
    checkpoint=Checkpoint(
        filename="squeeze_sam.pt",
        size_bytes=None,
        sha256=None,
        sources=(
            HttpsSource(f"https://raw.githubusercontent.com/yformer/EfficientSAM/{_COMMIT}/weights/squeeze_sam.pt"),
        ),
        state_key="model",
    ),
    input_size=512,
    code_licence="Apache-2.0",
    weights_licence="Apache-2.0",
    repository=f"https://github.com/yformer/EfficientSAM/tree/{_COMMIT}/squeeze_sam",
    paper=Paper("SqueezeSAM: User friendly mobile interactive segmentation", "2312.06736"),
    conventions=Conventions(
        preprocessing=Preprocessing(resize="stretch", filter="float_bilinear"),
        # There is no plane for background points. A prompt takes 53 GFLOPs, a point of MobileSAM's grid 0.5 to 1.0
        # (docs/variants.md), so it counts as 64.
        prompts=PromptRules(layout="unpadded", negative_points=False, masks=False, cost=64),
        masks=MaskRules(upsampling="direct_bicubic", single="best"),  # its code drops mask 0
    ),
    # Neither paper nor code has SegEvery. A grid of 32 x 32 would exceed the default limit of an image.
    everything=EverythingParameters(points_per_side=16),
)

RECORDS = (SQUEEZE_SAM,)
