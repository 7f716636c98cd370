"""The fused image encoder against the published one that its checkpoint was loaded into."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fixtures.models.mobile_sam_engine import mobile_sam, sam_network
from fixtures.models.shared_data import shared_path
from fixtures.models.tiny_variant import tiny, tiny_engine
from samfleet_models.images.decode import read_image
from samfleet_models.images.transforms import ImageFrame, resize_to_frame, to_network_input
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.serving.engine import Engine

__all__ = ["mobile_sam", "tiny", "tiny_engine"]

TOLERANCE = 1e-5  # of the range of the embedding
ROUNDING = 1e-4  # absolute, of embeddings of up to about 3


def worst(network: SamNetwork, pixels: Tensor) -> float:
    """Return the greatest difference of the two, as a share of the range."""
    published = network.image_encoder(pixels)
    difference = (network.encode(pixels)[0] - published).abs().max()
    return float(difference / (published.max() - published.min()))


@torch.inference_mode()
@pytest.mark.parametrize("name", ["000000005001", "000000006818"])
def test_embeddings_of_photographs_are_equal(mobile_sam: Engine, name: str) -> None:
    record = mobile_sam.record
    image = read_image(shared_path("data", "coco_dev", "images", f"{name}.jpg").read_bytes())
    resized = resize_to_frame(image, ImageFrame.of(image.shape[0], image.shape[1], record.input_size))
    pixels = to_network_input([resized], record.input_size, record.conventions.preprocessing, mobile_sam.device)
    share = worst(sam_network(mobile_sam), pixels)
    print(f"{name}: embeddings differ by at most {share:.1e} of their range")
    assert share <= TOLERANCE


@torch.inference_mode()
def test_images_of_a_pass_do_not_affect_each_other(tiny_engine: Engine) -> None:
    pixels = torch.randn(3, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    assert worst(sam_network(tiny_engine), pixels) <= TOLERANCE


@torch.inference_mode()
def test_new_weights_and_device_moves_invalidate_the_fused_encoder(tiny_engine: Engine) -> None:
    network = sam_network(tiny_engine)
    pixels = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    before = network.encode(pixels)[0]
    state = network.state_dict()
    network.load_state_dict({key: value * 1.1 if "attn" in key else value for key, value in state.items()})
    assert not torch.allclose(network.encode(pixels)[0], before, atol=1e-3)
    assert worst(network, pixels) <= TOLERANCE
    network.double()
    torch.testing.assert_close(
        network.encode(pixels)[0].double(), network.image_encoder(pixels.double()), atol=ROUNDING, rtol=1e-5
    )


def test_fused_layers_are_not_in_the_state_dict(tiny_engine: Engine) -> None:
    keys = sam_network(tiny_engine).state_dict().keys()
    sam_network(tiny_engine).encode(torch.zeros(1, 3, 128, 128))
    assert sam_network(tiny_engine).state_dict().keys() == keys
