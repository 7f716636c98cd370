"""NanoSAM: a ResNet image encoder with MobileSAM's decoder, whose file is used as published."""

from __future__ import annotations

from samfleet.variants.conventions import Conventions, MaskRules, Preprocessing, PromptRules
from samfleet.variants.record import Checkpoint, VariantRecord
from samfleet.variants.records.tiny_vit import MOBILE_SAM

NANO_SAM = VariantRecord(
    name="nanosam_resnet18",
    title="NanoSAM ResNet-18",
    family="resnet",
    architecture={
        "encoder": {"widths": (64, 128, 256, 512), "depths": (2, 2, 2, 2)},
        "decoder_file_encoder": MOBILE_SAM.architecture,
    },
    # The `checkpoint.pth` that nanosam/tools/train.py writes. The authors publish the encoder only as an ONNX graph on
    # Google Drive, with the normalisations folded in. So there is no file to pull, and users import their own.
    checkpoint=Checkpoint(filename="nanosam_resnet18.pth", size_bytes=None, sha256=None, sources=(), state_key="model"),
    companions={"decoder": MOBILE_SAM.checkpoint},
    input_size=1024,
    code_licence="Apache-2.0",
    weights_licence="Apache-2.0",
    repository="https://github.com/NVIDIA-AI-IOT/nanosam",
    paper=MOBILE_SAM.paper,
    conventions=Conventions(
        preprocessing=Preprocessing(filter="pillow_bicubic", rounding="floor"),
        prompts=PromptRules(layout="unpadded", masks=False),
        masks=MaskRules(upsampling="cropped", multimask=(0, 1, 2, 3)),
    ),
    parity="golden",
)

RECORDS = (NANO_SAM,)
