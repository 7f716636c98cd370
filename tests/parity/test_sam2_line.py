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

from fixtures.shared import shared_path
from fixtures.standin import golden, sample_image, standin_state
from samfleet.variants.record import VariantRecord
from samfleet.variants.records import edge_tam, efficient_tam, sam2
from samfleet_models.families.edge_tam import build_edge_tam, fuse_edge_tam
from samfleet_models.families.efficient_tam import build_efficient_tam, fuse_efficient_tam
from samfleet_models.families.memory_keys import edge_tam_memory, efficient_tam_memory, sam2_memory
from samfleet_models.families.sam2 import build_sam2, fuse_sam2
from samfleet_models.families.sam2_keys import own_key_of_sam2
from samfleet_models.framing import Framing

TOLERANCE = 1e-5  # of the range
PIXELS = 1e-5  # of about -2 to 3


class Line(NamedTuple):
    build: Callable[[Mapping[str, object], int], nn.Module]
    fuse: Callable[[Any, int], nn.Module]
    unread: Callable[[Mapping[str, object]], nn.Module]


LINES = {
    "sam2": Line(build_sam2, fuse_sam2, sam2_memory),
    "edge_tam": Line(build_edge_tam, fuse_edge_tam, edge_tam_memory),
    "efficient_tam": Line(build_efficient_tam, fuse_efficient_tam, efficient_tam_memory),
}
RECORDS = {record.name: record for record in (*sam2.RECORDS, *edge_tam.RECORDS, *efficient_tam.RECORDS)}
WITH_CASES = [name for name, record in RECORDS.items() if record.parity == "golden"]


@pytest.mark.parametrize("name", RECORDS)
def test_every_official_key_has_its_place_and_shape(name: str) -> None:
    record = RECORDS[name]
    line = LINES[record.family]
    manifest = json.loads(shared_path("parity", name, "manifest.json").read_text())
    official = {own_key_of_sam2(key): tuple(value["shape"]) for key, value in manifest.items()}
    heads = {key for key in official if key.startswith(("prompt_encoder.", "mask_decoder."))}
    with torch.device("meta"):
        encoder = line.build(record.architecture, record.input_size)
    own = {f"image_encoder.{key}": value for key, value in encoder.state_dict().items()} | line.unread(
        record.architecture
    ).state_dict()
    assert {key: tuple(value.shape) for key, value in own.items()} == {
        key: shape for key, shape in official.items() if key not in heads
    }


@torch.inference_mode()
@pytest.mark.parametrize("name", WITH_CASES)
def test_the_official_embeddings_come_out(name: str) -> None:
    record = RECORDS[name]
    line = LINES[record.family]
    encoder = line.build(record.architecture, record.input_size).eval()
    own = {own_key_of_sam2(key): value for key, value in standin_state(name).items()}
    prefix = "image_encoder."
    encoder.load_state_dict({key.removeprefix(prefix): own[key] for key in own if key.startswith(prefix)})
    fused = line.fuse(encoder, record.input_size)
    cases = json.loads(shared_path("parity", name, "prompts.json").read_text())
    for case, given in cases.items():
        expected = golden(name, case)
        pixels = framed(sample_image(given["image"]), record)
        np.testing.assert_allclose(pixels[0, :, ::16, ::16], expected["pixels_probe"], atol=PIXELS)
        compare(f"{name} {case}", fused(pixels), expected)


def framed(image: NDArray[np.uint8], record: VariantRecord) -> Tensor:
    framing = Framing.of(record)
    return framing.network_input([framing.resize(image)], torch.device("cpu"))


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
