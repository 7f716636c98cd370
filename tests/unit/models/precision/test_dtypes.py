from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fixtures.models.tiny_variant import tiny
from samfleet.variants.execution import Execution, Precision
from samfleet.variants.record import VariantRecord
from samfleet_models.checkpoints.loading import load_weights
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork

__all__ = ["tiny"]


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def loaded(tiny: tuple[VariantRecord, Path], precision: Precision) -> SamNetwork:
    network = build_network(tiny[0], Execution(precision))
    load_weights(network, *tiny)
    return network


@pytest.mark.usefixtures("_inference")
@pytest.mark.parametrize(("precision", "within"), [("bf16", 0.05), ("fp16", 0.01)])
def test_embeddings_are_float32_and_close_to_those_of_fp32(
    tiny: tuple[VariantRecord, Path], pixels: Tensor, precision: Precision, within: float
) -> None:
    expected = loaded(tiny, "fp32").encode(pixels)[0]
    found = loaded(tiny, precision).encode(pixels)[0]
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected)
    assert (found - expected).abs().max() < within * expected.abs().max()


@pytest.mark.usefixtures("_inference")
def test_the_parameters_that_checkpoints_load_into_stay_in_fp32(
    tiny: tuple[VariantRecord, Path], pixels: Tensor
) -> None:
    network = loaded(tiny, "bf16")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    first = network.encode(pixels)[0]
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    load_weights(network, *tiny)
    assert torch.equal(network.encode(pixels)[0], first)
