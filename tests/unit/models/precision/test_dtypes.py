from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fixtures.models.kernels import bfloat16_kernels
from fixtures.models.tiny_variant import tiny
from samfleet.variants.catalogue import get_variant
from samfleet.variants.execution import Execution, Precision
from samfleet.variants.gates import PrecisionNotGated
from samfleet.variants.record import VariantRecord
from samfleet_kernels import library
from samfleet_kernels.library import torch_only
from samfleet_models.checkpoints.loading import load_weights
from samfleet_models.networks.registry import build_network, network_of
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.precision import dtypes
from samfleet_models.precision.dtypes import PrecisionUnsupported, require_supported
from samfleet_models.serving.engine import Engine, EngineSettings

__all__ = ["bfloat16_kernels", "tiny"]


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


@pytest.mark.parametrize("precision", ["tf32", "tf32x3"])
def test_tf32_is_refused_where_the_gpu_kernels_are_not_used(
    tiny: tuple[VariantRecord, Path], precision: Precision
) -> None:
    with pytest.raises(PrecisionUnsupported, match="SAMFLEET_KERNELS=triton"):
        require_supported(precision, torch.device("cpu"))
    with pytest.raises(PrecisionUnsupported, match="SAMFLEET_KERNELS=triton"):
        Engine(*tiny, EngineSettings(device="cpu", execution=Execution(precision), ungated=True))
    with pytest.raises(PrecisionUnsupported, match="fastsam_s has no products"):
        network_of(get_variant("fastsam_s"), Execution(precision))


@pytest.mark.parametrize("precision", ["bf16_products", "bf16_kernels"])
@pytest.mark.parametrize("missing", ["processor", "kernels"])
def test_products_in_bf16_are_refused_where_the_cpu_kernels_do_not_compute_them(
    tiny: tuple[VariantRecord, Path], missing: str, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing == "processor":
        monkeypatch.setattr(library, "_usable", lambda: ("avx512", "avx2", "baseline"))
        monkeypatch.setattr(library, "_library", lambda: "a library")
    with torch_only() if missing == "kernels" else nullcontext():
        with pytest.raises(PrecisionUnsupported, match="AVX512-BF16"):
            require_supported(precision, torch.device("cpu"))
        with pytest.raises(PrecisionUnsupported, match="AVX512-BF16"):
            Engine(*tiny, EngineSettings(device="cpu", execution=Execution(precision), ungated=True))
    with pytest.raises(PrecisionUnsupported, match="fastsam_s has no products"):
        network_of(get_variant("fastsam_s"), Execution(precision))


@pytest.mark.usefixtures("bfloat16_kernels")
def test_bf16_kernels_need_their_gate_and_are_hardware_of_their_own(
    tiny: tuple[VariantRecord, Path], tmp_path: Path
) -> None:
    settings = EngineSettings(device="cpu", execution=Execution("bf16_kernels"), gates_dir=tmp_path)
    with pytest.raises(PrecisionNotGated, match="--precision bf16_kernels"):
        Engine(*tiny, settings)
    engine = Engine(*tiny, replace(settings, ungated=True))
    try:
        assert engine.hardware["precision"] == "bf16_kernels"
    finally:
        engine.close()


@pytest.mark.parametrize(("capability", "refused"), [((7, 5), True), ((8, 0), False), ((9, 0), False)])
def test_tf32_needs_compute_capability_8(
    capability: tuple[int, int], refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dtypes, "gpu_kernels", lambda _device: "triton 3.8.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    with pytest.raises(PrecisionUnsupported, match="no arithmetic in TF32") if refused else nullcontext():
        require_supported("tf32", torch.device("cuda", 0))
