"""MobileSAMv2: a detector finds the objects, MobileSAM's decoder draws one mask for each of its boxes.

The official script takes its decoder from `Prompt_guided_Mask_Decoder.pt` and its encoder from the archive with the
detector. Here both are MobileSAM's published ones, so a box gets the same mask as with `mobile_sam`. The whole was
compared with a plain form of the script, composed of the parts that are compared with recorded outputs: masks and their
order agree on random weights. The official program as a whole was not recorded: with the stand-in weights many of the
detector's scores are exactly 1, so the order of its boxes is not defined.
"""

from __future__ import annotations

from dataclasses import replace

from samfleet.variants.conventions import Conventions, PromptRules
from samfleet.variants.record import Checkpoint, HttpsSource, ManualSource, Paper, VariantRecord
from samfleet.variants.records import tiny_vit
from samfleet.variants.records.fast_sam import LETTERBOX
from samfleet.variants.task import EverythingParameters

_REPOSITORY = "https://github.com/ChaoningZhang/MobileSAM"
_PAPER = Paper("MobileSAMv2: Faster Segment Anything to Everything", "2312.09579")
_LICENCE = "AGPL-3.0"  # of the detector, which uses ultralytics
_MOBILE_SAM = next(record for record in tiny_vit.RECORDS if record.name == "mobile_sam")

_OBJECT_AWARE = VariantRecord(
    name="mobilesamv2_object_aware",
    title="MobileSAMv2's detector",
    family="yolo",
    architecture={"depth": 1.0, "width": 1.25, "max_channels": 512, "bins": 26, "prototypes": False},
    checkpoint=Checkpoint(
        filename="ObjectAwareModel.pt",
        size_bytes=None,
        sha256=None,
        sources=(
            HttpsSource("https://huggingface.co/yuwendu/MobileSAM_utils/resolve/main/ObjectAwareModel.pt"),
            HttpsSource("https://github.com/hujiecpp/PE3R/releases/download/checkpoints/ObjectAwareModel.pt"),
            ManualSource("https://github.com/ChaoningZhang/MobileSAM#getting-started-mobilesamv2"),
        ),
        state_key="model",
        layout="module",
    ),
    input_size=1024,
    code_licence=_LICENCE,
    weights_licence=_LICENCE,
    repository=_REPOSITORY,
    paper=_PAPER,
    conventions=Conventions(
        preprocessing=replace(LETTERBOX, order="bgr"), prompts=PromptRules(masks=False), samplers=()
    ),
    everything=EverythingParameters(sampler="object_aware", boxes_from="detector"),
    parity="golden",
    role="detector",
)

_MOBILE_SAM_V2 = replace(
    _MOBILE_SAM,
    name="mobilesamv2",
    title="MobileSAMv2",
    code_licence=f"Apache-2.0 AND {_LICENCE}",
    weights_licence=f"Apache-2.0 AND {_LICENCE}",
    paper=_PAPER,
    conventions=replace(_MOBILE_SAM.conventions, box_sources=("detector", "annotations", "detections")),
    everything=replace(_MOBILE_SAM.everything, sampler="object_aware", boxes_from="detector"),
    companions={"detector": _OBJECT_AWARE.checkpoint},
    detector=_OBJECT_AWARE,
    parity="reference",
)

RECORDS = (_MOBILE_SAM_V2, _OBJECT_AWARE)
