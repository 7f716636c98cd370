"""PicoSAM2 and PicoSAM3: small U-Nets for the region around a box, made for Sony's IMX500 sensor."""

from __future__ import annotations

from samfleet.licences import OWN
from samfleet.variants.conventions import Conventions, MaskRules, PromptRules
from samfleet.variants.record import Checkpoint, ManualSource, Paper, VariantRecord
from samfleet.variants.task import EverythingParameters

_CONVENTIONS = Conventions(
    prompts=PromptRules(points=False, masks=False, mixed=False),
    masks=MaskRules(multimask=(0,), multimask_best_only=True),
    samplers=("object_aware",),
)
_EVERYTHING = EverythingParameters(sampler="object_aware")

PICO_SAM2 = VariantRecord(
    name="picosam2",
    title="PicoSAM2",
    family="pico_sam",
    # It was trained on windows of 96 pixels around a point of the object; here the point is the middle of the box.
    architecture={"design": "picosam2", "region": "window"},
    checkpoint=Checkpoint(
        filename="PicoSAM2_student_epoch1.pt",
        size_bytes=None,
        sha256=None,
        sources=(ManualSource("https://zenodo.org/records/15728470"),),
    ),
    input_size=96,
    code_licence="Apache-2.0",
    weights_licence=OWN,  # the page of the file states its terms; read them before you import it
    repository="https://github.com/pbonazzi/picosam2",
    paper=Paper("PicoSAM2: Low-Latency Segmentation In-Sensor for Edge Vision Applications", "2506.18807"),
    conventions=_CONVENTIONS,
    everything=_EVERYTHING,
    parity="keys",
)

PICO_SAM3 = VariantRecord(
    name="picosam3",
    title="PicoSAM3",
    family="pico_sam",
    architecture={"design": "picosam3", "region": "square"},
    checkpoint=Checkpoint(
        filename="PicoSAM3_student_epoch1.pt",
        size_bytes=None,
        sha256=None,
        sources=(ManualSource("https://huggingface.co/pietrobonazzi/picosam3"),),
    ),
    input_size=96,
    code_licence="LicenseRef-own",  # its repository states none
    weights_licence="Apache-2.0",
    repository="https://github.com/pbonazzi/picosam3",
    paper=Paper("PicoSAM3: Real-Time In-Sensor Region-of-Interest Segmentation", "2603.11917"),
    conventions=_CONVENTIONS,
    everything=_EVERYTHING,
    parity="keys",
)

RECORDS = (PICO_SAM2, PICO_SAM3)
