"""FastSAM: YOLOv8-seg finds all objects in one pass; prompts choose from these."""

from __future__ import annotations

from collections.abc import Mapping

from samfleet.variants.conventions import Conventions, Preprocessing, PromptRules
from samfleet.variants.record import Checkpoint, HttpsSource, ManualSource, Paper, VariantRecord
from samfleet.variants.task import EverythingParameters

LETTERBOX = Preprocessing(
    resize="letterbox",
    filter="opencv_bilinear",
    rounding="half_even",
    mean=(0.0, 0.0, 0.0),
    std=(255.0, 255.0, 255.0),
)


def _fast_sam(name: str, title: str, filename: str, architecture: Mapping[str, object]) -> VariantRecord:
    return VariantRecord(
        name=name,
        title=title,
        family="yolo",
        architecture=architecture,
        checkpoint=Checkpoint(
            filename=filename,
            size_bytes=None,
            sha256=None,
            sources=(
                HttpsSource(f"https://huggingface.co/CASIA-LMC-Lab/FastSAM/resolve/main/{filename}"),
                ManualSource("https://github.com/CASIA-IVA-Lab/FastSAM#model-checkpoints"),
            ),
            state_key="model",
            layout="module",
        ),
        input_size=1024,
        code_licence="AGPL-3.0",  # of the ultralytics code that it uses; its own code is Apache-2.0
        weights_licence="AGPL-3.0",
        repository="https://github.com/CASIA-IVA-Lab/FastSAM",
        paper=Paper("Fast Segment Anything", "2306.12156"),
        conventions=Conventions(
            preprocessing=LETTERBOX,
            prompts=PromptRules(masks=False, mixed=False),
            samplers=("instances", "object_aware"),
        ),
        everything=EverythingParameters(
            sampler="instances", pred_iou_thresh=0.4, stability_score_thresh=0.0, box_nms_thresh=0.9, max_detections=300
        ),
        parity="golden",
    )


RECORDS = (
    _fast_sam("fastsam_s", "FastSAM-s", "FastSAM-s.pt", {"depth": 0.33, "width": 0.5, "max_channels": 1024}),
    _fast_sam("fastsam_x", "FastSAM-x", "FastSAM-x.pt", {"depth": 1.0, "width": 1.25, "max_channels": 512}),
)
