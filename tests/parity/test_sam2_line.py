"""The image encoders of SAM 2, EdgeTAM and EfficientTAM against their official code on stand-in checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from fixtures.shared import shared_path
from fixtures.standin import golden, sample_image, standin_state
from samfleet_models.families.edge_tam import build_edge_tam, fuse_edge_tam
from samfleet_models.families.efficient_tam import build_efficient_tam, fuse_efficient_tam
from samfleet_models.families.memory_keys import edge_tam_memory, efficient_tam_memory, sam2_memory
from samfleet_models.families.sam2 import build_sam2, fuse_sam2
from samfleet_models.families.sam2_keys import own_key_of_sam2

Build = Callable[[Mapping[str, object], int], nn.Module]
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
TOLERANCE = 1e-5  # of the range


class Line(NamedTuple):
    build: Build
    fuse: Callable[[Any, int], nn.Module]
    unread: Callable[[], nn.Module]
    architecture: Mapping[str, object]
    input_size: int = 1024


def hiera(embed_dim: int, heads: int, stages: tuple[int, ...], blocks: tuple[int, ...], **other: object) -> Line:
    sizes = {"embed_dim": embed_dim, "heads": heads, "stages": stages, "global_att_blocks": blocks}
    rest = {"window_spec": (8, 4, 14, 7), "position_grid": 7}
    return Line(build_sam2, fuse_sam2, sam2_memory, sizes | rest | other)


def efficient_tam(dim: int, heads: int, input_size: int = 1024) -> Line:
    sizes = {"dim": dim, "heads": heads, "depth": 12, "window": 14, "global_blocks": (2, 5, 8, 11)}
    return Line(build_efficient_tam, fuse_efficient_tam, efficient_tam_memory, sizes, input_size)


LINES = {
    "sam2_1_hiera_t": hiera(96, 1, (1, 2, 7, 2), (5, 7, 9)),
    "sam2_1_hiera_s": hiera(96, 1, (1, 2, 11, 2), (7, 10, 13)),
    "sam2_1_hiera_b_plus": hiera(112, 2, (2, 3, 16, 3), (12, 16, 20), position_grid=14),
    "sam2_1_hiera_l": hiera(144, 2, (2, 6, 36, 4), (23, 33, 43), window_spec=(8, 4, 16, 8)),
    "edgetam": Line(
        build_edge_tam, fuse_edge_tam, edge_tam_memory, {"channels": (48, 96, 192, 384), "depths": (2, 2, 14, 2)}
    ),
    "efficienttam_ti": efficient_tam(192, 3),
    "efficienttam_s": efficient_tam(384, 6),
    "efficienttam_ti_512": efficient_tam(192, 3, 512),
}
WITH_CASES = sorted(LINES.keys() - {"sam2_1_hiera_l"})


@pytest.mark.parametrize("name", sorted(LINES))
def test_every_official_key_has_its_place_and_shape(name: str) -> None:
    line = LINES[name]
    manifest = json.loads(shared_path("parity", name, "manifest.json").read_text())
    official = {own_key_of_sam2(key): tuple(value["shape"]) for key, value in manifest.items()}
    heads = {key for key in official if key.startswith(("prompt_encoder.", "mask_decoder."))}
    with torch.device("meta"):
        encoder = line.build(line.architecture, line.input_size)
    own = {f"image_encoder.{key}": value for key, value in encoder.state_dict().items()} | line.unread().state_dict()
    assert {key: tuple(value.shape) for key, value in own.items()} == {
        key: shape for key, shape in official.items() if key not in heads
    }


@torch.inference_mode()
@pytest.mark.parametrize("name", WITH_CASES)
def test_the_official_embeddings_come_out(name: str) -> None:
    line = LINES[name]
    encoder = line.build(line.architecture, line.input_size).eval()
    own = {own_key_of_sam2(key): value for key, value in standin_state(name).items()}
    prefix = "image_encoder."
    encoder.load_state_dict({key.removeprefix(prefix): own[key] for key in own if key.startswith(prefix)})
    fused = line.fuse(encoder, line.input_size)
    cases = json.loads(shared_path("parity", name, "prompts.json").read_text())
    for case, given in cases.items():
        expected = golden(name, case)
        pixels = stretched(sample_image(given["image"]), line.input_size)
        np.testing.assert_allclose(pixels[0, :, ::16, ::16], expected["pixels_probe"], atol=1e-6)
        compare(f"{name} {case}", fused(pixels), expected)


def stretched(image: NDArray[np.uint8], input_size: int) -> Tensor:
    values = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    size = (input_size, input_size)
    resized = functional.interpolate(values, size=size, mode="bilinear", antialias=True, align_corners=False)
    return (resized - MEAN.view(-1, 1, 1)) / STD.view(-1, 1, 1)


def compare(title: str, encoded: Tensor | tuple[Tensor, ...], expected: dict[str, NDArray[Any]]) -> None:
    embedding, *skips = encoded if isinstance(encoded, tuple) else (encoded,)
    probes = [(embedding[0, :, ::8, ::8], expected["embedding_probe"])]
    probes += [(skip[0, ::4, ::8, ::8], expected[f"high_res_{index}"]) for index, skip in enumerate(skips)]
    assert len(probes) == sum(key in expected for key in ("embedding_probe", "high_res_0", "high_res_1"))
    shares = [float(np.abs(ours.numpy() - official).max() / np.ptp(official)) for ours, official in probes]
    print(f"{title}: embedding and skips differ by at most {max(shares):.1e} of their range")
    assert max(shares) <= TOLERANCE
    mean = np.abs(embedding[0].mean((1, 2)).numpy() - expected["embedding_mean"]).max()
    assert mean <= TOLERANCE * np.ptp(expected["embedding_probe"])
