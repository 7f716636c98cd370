"""SlimSAM: SAM's ViT-B with narrower layers throughout. Its files have the keys of transformers' SamModel."""

from __future__ import annotations

from samfleet.variants.record import Checkpoint, HttpsSource, Paper, VariantRecord
from samfleet.variants.records.sam_vit import BASE


def _record(share: int, embed_dim: int, mlp_dim: int) -> VariantRecord:
    """Return a record; `share` is the percentage of the encoder that was pruned."""
    published = f"SlimSAM-uniform-{share}"
    return VariantRecord(
        name=f"slimsam_uniform_{share}",
        title=published,
        family="slim_sam",
        architecture={**BASE, "embed_dim": embed_dim, "mlp_dim": mlp_dim},
        checkpoint=Checkpoint(
            filename=f"{published}.safetensors",
            size_bytes=None,
            sha256=None,
            sources=(HttpsSource(f"https://huggingface.co/Zigeng/{published}/resolve/main/model.safetensors"),),
        ),
        input_size=1024,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        repository="https://github.com/czg1225/SlimSAM",
        paper=Paper("0.1% Data Makes Segment Anything Slim", "2312.05284"),
        parity="golden",
    )


RECORDS = (
    _record(50, embed_dim=384, mlp_dim=1536),
    _record(77, embed_dim=168, mlp_dim=696),
)
