"""EdgeTAM's trunk against feature maps of the official code on the stand-in checkpoint of ../shared/parity/edgetam."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fixtures.models.parity_cases import golden, sample_image, standin_state
from fixtures.models.shared_data import shared_path
from samfleet_models.checkpoints.loading import load_state
from samfleet_models.modeling.image_encoders.repvit_trunk import FusedRepVitTrunk, RepVitTrunk

CASE = "edgetam"
PREFIX = "image_encoder.trunk.body."
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TOLERANCE = 1e-5  # of the range of a map


@pytest.fixture(scope="module")
def trunk() -> RepVitTrunk:
    trunk = RepVitTrunk()
    state = standin_state(CASE)
    load_state(trunk, {key.removeprefix(PREFIX): value for key, value in state.items() if key.startswith(PREFIX)})
    return trunk.eval()


def pixels_of(case: str) -> Tensor:
    """Return the image stretched to a square as in the official code."""
    given = json.loads(shared_path("parity", CASE, "prompts.json").read_text())[case]
    image = torch.from_numpy(sample_image(given["image"])).permute(2, 0, 1)[None] / 255
    stretched = functional.interpolate(image, (1024, 1024), mode="bilinear", antialias=True)
    return (stretched - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


@torch.inference_mode()
@pytest.mark.parametrize("case", ["case0", "case1"])
def test_the_official_feature_maps_are_reproduced(trunk: RepVitTrunk, case: str) -> None:
    expected = golden(CASE, case)
    pixels = pixels_of(case)
    torch.testing.assert_close(pixels[0, :, ::16, ::16], torch.from_numpy(expected["pixels_probe"]), atol=1e-5, rtol=0)
    for form, maps in (("published", trunk(pixels)), ("fused", FusedRepVitTrunk(trunk)(pixels))):
        for index, part in enumerate(maps):
            name = f"probe__{PREFIX}stages_{index}"
            *shape, step = expected[f"{name}__shape_stride"].tolist()
            assert list(part.shape) == shape
            probe = torch.from_numpy(expected[name])
            difference = (part.flatten()[::step][: len(probe)] - probe).abs().max() / (probe.max() - probe.min())
            print(f"{case}, {form}: map {index} differs by at most {difference:.1e} of its range")
            assert difference <= TOLERANCE
