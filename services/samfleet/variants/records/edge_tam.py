"""EdgeTAM: SAM 2 with RepViT."""

from __future__ import annotations

from samfleet.variants.record import Checkpoint, HttpsSource, Paper, VariantRecord
from samfleet.variants.records.sam2 import CONVENTIONS, EVERYTHING, STATE_KEY

_EDGE_TAM = VariantRecord(
    name="edgetam",
    title="EdgeTAM",
    family="edge_tam",
    architecture={"channels": (48, 96, 192, 384), "depths": (2, 2, 14, 2)},
    checkpoint=Checkpoint(
        filename="edgetam.pt",
        size_bytes=56_116_523,
        sha256="ed2d4850b8792c239689b043c47046ec239b6e808a3d9b6ae676c803fd8780df",
        sources=(
            HttpsSource(
                "https://raw.githubusercontent.com/facebookresearch/EdgeTAM/"
                "7711e012a30a2402c4eaab637bdb00a521302c91/checkpoints/edgetam.pt"
            ),
            HttpsSource("https://huggingface.co/facebook/EdgeTAM/resolve/main/edgetam.pt"),
        ),
        state_key=STATE_KEY,
    ),
    input_size=1024,
    code_licence="Apache-2.0",
    weights_licence="Apache-2.0",
    repository="https://github.com/facebookresearch/EdgeTAM",
    paper=Paper("EdgeTAM: On-Device Track Anything Model", "2501.07256"),
    conventions=CONVENTIONS,
    everything=EVERYTHING,
    parity="golden",
)

RECORDS = (_EDGE_TAM,)
