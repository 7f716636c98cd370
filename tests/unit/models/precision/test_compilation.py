"""Compiled encoders: refused configurations, and results equal to those of the encoder that is not compiled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fixtures.models.stand_in_gpu import GPU, StandInGpu
from fixtures.models.tiny_variant import tiny
from samfleet.variants.execution import Compilation, Execution
from samfleet.variants.record import VariantRecord
from samfleet_models.checkpoints.loading import load_weights
from samfleet_models.device.hardware import prepare_device
from samfleet_models.modeling.common import Features
from samfleet_models.networks import sam as network_module
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.precision import compilation
from samfleet_models.precision.compilation import (
    CompiledEncoder,
    CompilerMissing,
    Encode,
    GraphsNeedCuda,
    PythonHeadersMissing,
    batch_sizes,
    require_compiler,
)

__all__ = ["tiny"]

CPU = torch.device("cpu")
TOLERANCE = 1e-5  # of embeddings of up to about 3

# importing torch's compiler raises a deprecation warning of torch, and on a GPU the compiler warns about TF32
pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores:UserWarning"),
]


def doubled(pixels: Tensor) -> Features:
    return (2 * pixels,)


def loaded(tiny: tuple[VariantRecord, Path], compilation: Compilation) -> SamNetwork:
    network = build_network(tiny[0], Execution("fp32", compilation))
    load_weights(network, *tiny)
    return network


def noise(images: int) -> Tensor:
    return torch.randn(images, 3, 128, 128, generator=torch.Generator().manual_seed(5))


def test_graphs_are_refused_on_a_cpu(tiny: tuple[VariantRecord, Path]) -> None:
    with pytest.raises(GraphsNeedCuda, match="this variant runs on cpu") as caught:
        loaded(tiny, "cuda_graphs").warm_up()
    assert caught.value.code == "graphs_need_cuda"


def test_a_missing_compiler_is_reported_before_compilation() -> None:
    import torch._inductor.config as inductor

    with inductor.patch({"cpp.cxx": ("no-such-compiler",)}), pytest.raises(CompilerMissing, match="CXX") as caught:
        CompiledEncoder(doubled, "compile", CPU, 8, [1])
    assert caught.value.code == "compiler_missing"


def test_missing_headers_are_reported_before_compilation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "require_compiler", lambda: None)
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    for device in (CPU, torch.device("cuda", 0)):
        with pytest.raises(PythonHeadersMissing, match=r"Python\.h is missing") as caught:
            CompiledEncoder(doubled, "compile", device, 8, [1])
    assert caught.value.code == "python_headers_missing"


def test_captured_graphs_reduce_the_memory_for_chunks(
    tiny: tuple[VariantRecord, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Captured:
        def __init__(self, encode: Encode, *_: object) -> None:
            self._encode = encode

        def __call__(self, pixels: Tensor) -> Features:
            return self._encode(pixels)

    unused = 2**30
    segment = {"segment_pool_id": (0, 3), "total_size": unused + 5, "allocated_size": 5}
    monkeypatch.setattr(compilation, "CapturedBatch", Captured)
    monkeypatch.setattr("torch.cuda.graph_pool_handle", lambda: (0, 3))
    monkeypatch.setattr("torch.cuda.memory_snapshot", lambda **_: [segment])
    seen: list[int] = []

    def memory(_: torch.device, in_graphs: int) -> int:
        seen.append(in_graphs)
        return 2**30

    with StandInGpu():
        network = loaded(tiny, "cuda_graphs").to(GPU)
        assert network.graph_bytes == 0
        network.warm_up()
        monkeypatch.setattr(network_module, "memory_for_chunks", memory)
        network.prompts_per_pass()
    assert (network.graph_bytes, seen) == (unused, [unused])


def test_nothing_runs_before_the_warm_up() -> None:
    needs_compiler()
    with pytest.raises(RuntimeError, match="not warmed up"):
        CompiledEncoder(doubled, "compile", CPU, 8, [1])(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize(("most", "sizes"), [(1, [1]), (6, [1, 2, 4]), (64, [1, 2, 4, 8])])
def test_every_batch_is_composed_of_few_compiled_sizes(most: int, sizes: list[int]) -> None:
    assert batch_sizes(most) == sizes


def test_nothing_is_compiled_unless_requested(tiny: tuple[VariantRecord, Path]) -> None:
    assert loaded(tiny, "none").warm_up() is None


@pytest.mark.heavy
@pytest.mark.timeout(600)
@torch.inference_mode()
def test_a_compiled_encoder_gives_the_same_embeddings(tiny: tuple[VariantRecord, Path]) -> None:
    needs_compiler()
    plain, compiled = loaded(tiny, "none"), loaded(tiny, "compile")
    seconds = compiled.warm_up()
    assert seconds is not None
    assert seconds > 0
    for images in (1, 3):
        pixels = noise(images)
        torch.testing.assert_close(compiled.encode(pixels)[0], plain.encode(pixels)[0], atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_a_batch_is_split_into_the_compiled_sizes() -> None:
    needs_compiler()
    encoder = CompiledEncoder(doubled, "compile", CPU, 8, [1, 2, 4])
    encoder.warm_up()
    pixels = torch.arange(7 * 3 * 64.0).view(7, 3, 8, 8)
    torch.testing.assert_close(encoder(pixels)[0], doubled(pixels)[0])


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_a_process_may_have_many_compiled_encoders() -> None:
    needs_compiler()
    for side in range(8, 18):  # one more than torch compiles for one code object by default

        def scaled(pixels: Tensor, side: int = side) -> Features:
            return (side * pixels,)

        encoder = CompiledEncoder(scaled, "compile", CPU, side, [1])
        encoder.warm_up()
        pixels = torch.ones(1, 3, side, side)
        torch.testing.assert_close(encoder(pixels)[0], side * pixels)


@pytest.fixture
def _without_tf32() -> Iterator[None]:
    """Prepare the GPU as the engine does, and restore its settings afterwards."""
    before = torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision  # type: ignore[attr-defined]  # made at import
    prepare_device(torch.device("cuda", 0), None)
    yield
    torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision = before  # type: ignore[attr-defined]  # made at import


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.usefixtures("_without_tf32")
@pytest.mark.parametrize("compilation", ["cuda_graphs", "compile"])
@torch.inference_mode()
def test_a_replayed_graph_gives_the_computed_results(
    tiny: tuple[VariantRecord, Path], compilation: Compilation
) -> None:
    plain, compiled = (loaded(tiny, kind).cuda() for kind in ("none", compilation))
    assert compiled.warm_up() is not None
    for images in (1, 3, 8, 11):
        pixels = noise(images).cuda()
        first, second = compiled.encode(pixels)[0], compiled.encode(2 * pixels)[0]
        torch.testing.assert_close(first, plain.encode(pixels)[0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(second, plain.encode(2 * pixels)[0], atol=1e-4, rtol=1e-4)


def needs_compiler() -> None:
    try:
        require_compiler()
    except CompilerMissing as error:
        pytest.skip(f"needs a C++ compiler: {error}")
