"""Plain vision transformers against their official code on the stand-in checkpoints of ../shared/parity."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from fixtures.shared import shared_path
from fixtures.standin import golden, sample_image, standin_state
from samfleet.variants.conventions import Preprocessing
from samfleet.variants.records.sam_vit import BASE, HUGE, LARGE
from samfleet_models.checkpoint import load_state
from samfleet_models.families import Family
from samfleet_models.families.efficient_sam import build_efficient_sam
from samfleet_models.families.tiny_vit import build_tiny_vit
from samfleet_models.families.tiny_vit_fused import fuse_tiny_vit
from samfleet_models.families.vit import build_vit
from samfleet_models.families.vit_fused import fuse_efficient_sam, fuse_vit
from samfleet_models.preprocess import Frame, resize_to_frame, to_network_input

EMBEDDING_TOLERANCE = 1e-4
SIZE = 1024
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Encoder:
    family: Family
    architecture: Mapping[str, object]
    stretched: bool = False


VIT, TINY_VIT = Family(build_vit, fuse_vit), Family(build_tiny_vit, fuse_tiny_vit)
EFFICIENT_SAM = Family(build_efficient_sam, fuse_efficient_sam)
MOBILE = {
    "embed_dims": (64, 128, 160, 320),
    "depths": (2, 2, 6, 2),
    "num_heads": (2, 4, 5, 10),
    "window_sizes": (7, 7, 14, 7),
}
ENCODERS = {
    "sam_hq_vit_b": Encoder(VIT, {**BASE, "intermediate": 2}),
    "sam_hq_vit_l": Encoder(VIT, {**LARGE, "intermediate": 5}),
    "sam_hq_vit_h": Encoder(VIT, {**HUGE, "intermediate": 7}),
    "sam_hq_vit_tiny": Encoder(TINY_VIT, {**MOBILE, "intermediate": 1}),
    "efficient_sam_ti": Encoder(EFFICIENT_SAM, {"embed_dim": 192, "depth": 12, "num_heads": 3}, stretched=True),
    "efficient_sam_s": Encoder(EFFICIENT_SAM, {"embed_dim": 384, "depth": 12, "num_heads": 6}, stretched=True),
}
HEAVY = {"sam_hq_vit_b", "efficient_sam_s"}
GOLDEN = [
    pytest.param(name, marks=[pytest.mark.heavy] if name in HEAVY else [])
    for name in ENCODERS
    if not name.endswith(("_l", "_h"))
]


def encoder_state(name: str) -> dict[str, Tensor]:
    """Of the stand-in checkpoint what lies below `image_encoder.`."""
    state = standin_state(name).items()
    return {key.removeprefix("image_encoder."): value for key, value in state if key.startswith("image_encoder.")}


def pixels_of(image: NDArray[np.uint8], *, stretched: bool) -> Tensor:
    preprocessing = Preprocessing()
    if not stretched:
        frame = Frame.of(image.shape[0], image.shape[1], SIZE)
        return to_network_input([resize_to_frame(image, frame)], SIZE, preprocessing, CPU)
    values = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    values = torch.nn.functional.interpolate(values, (SIZE, SIZE), mode="bilinear", align_corners=False)
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (preprocessing.mean, preprocessing.std))
    return (values - mean) / std


@torch.inference_mode()
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", GOLDEN)
def test_the_official_embeddings_come_out(name: str) -> None:
    encoder = ENCODERS[name]
    network = encoder.family.build(encoder.architecture, SIZE).eval()
    load_state(network, encoder_state(name))
    fused = encoder.family.fuse(network, SIZE)
    for case, given in json.loads(shared_path("parity", name, "prompts.json").read_text()).items():
        expected = golden(name, case)
        pixels = pixels_of(sample_image(given["image"]), stretched=encoder.stretched)
        np.testing.assert_allclose(pixels[0, :, ::16, ::16], expected["pixels_probe"], atol=1e-5)
        found = fused(pixels)
        embedding, *others = found if isinstance(found, tuple) else (found,)
        close(embedding[0, :, ::8, ::8], expected["embedding_probe"], f"{name} {case}")
        assert len(others) == ("interm_probe" in expected)
        if others:
            close(others[0][0].permute(1, 2, 0)[::8, ::8], expected["interm_probe"], f"{name} {case} intermediate")


def close(found: Tensor, expected: NDArray[np.float32], what: str) -> None:
    difference = np.abs(found.numpy() - expected).max()
    print(f"{what} differs by at most {difference:.1e} of up to {np.abs(expected).max():.1f}")
    assert difference <= EMBEDDING_TOLERANCE


@pytest.mark.parametrize("name", ENCODERS)
def test_the_published_keys_and_shapes_are_the_encoders(name: str) -> None:
    encoder = ENCODERS[name]
    with torch.device("meta"):
        network = encoder.family.build(encoder.architecture, SIZE)
    manifest = json.loads(shared_path("parity", name, "manifest.json").read_text())
    published = {key: value["shape"] for key, value in manifest.items() if key.startswith("image_encoder.")}
    assert published == {f"image_encoder.{key}": list(value.shape) for key, value in network.state_dict().items()}
