from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import onnxruntime
import pytest
import torch

from fixtures.models.onnx_pairs import write_encoder
from samfleet.variants.graphs import DIALECTS
from samfleet_models.networks.onnx.graph import CUDA, Graph, GraphFellBack, GraphNeedsGpuRuntime, cuda_options

GPU = torch.device("cuda", 1)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU of 8 GB; torch may take half of it."""
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=8_000_000_000))
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda device: 0.5)


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    return write_encoder(tmp_path / "encoder.onnx", DIALECTS["sam"])


@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider':UserWarning")
def test_a_session_that_fell_back_to_the_cpu_is_refused(
    monkeypatch: pytest.MonkeyPatch, card: None, encoder: Path
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, "CPUExecutionProvider"])
    with pytest.raises(GraphFellBack, match=r"encoder\.onnx would run on CPUExecution\w+ and not on cuda:1") as told:
        Graph(encoder, GPU)
    assert told.value.code == "onnx_gpu_fell_back"


def test_a_runtime_without_cuda_is_refused(monkeypatch: pytest.MonkeyPatch, card: None, encoder: Path) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(GraphNeedsGpuRuntime):
        Graph(encoder, GPU)


class RecordingSession:
    """A session that records the requested options and reports that they are used."""

    def __init__(self, path: str, options: object, providers: list[object]) -> None:
        self.asked = providers
        self.fallback = True
        RecordingSession.last = self

    last: RecordingSession

    def disable_fallback(self) -> None:
        self.fallback = False

    def get_providers(self) -> list[str]:
        return [CUDA, "CPUExecutionProvider"]

    def get_inputs(self) -> list[object]:
        return []

    get_outputs = get_inputs


def test_a_session_on_the_gpu_is_kept_and_never_recreated_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, card: None, encoder: Path
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(onnxruntime, "InferenceSession", RecordingSession)
    Graph(encoder, GPU)
    assert RecordingSession.last.asked == [(CUDA, cuda_options(GPU)), "CPUExecutionProvider"]
    assert not RecordingSession.last.fallback


def test_an_arena_grows_as_requested_up_to_half_of_the_memory_of_the_process(card: None) -> None:
    options = cuda_options(GPU)
    assert options["device_id"] == 1
    assert options["gpu_mem_limit"] == 2_000_000_000
    assert options["arena_extend_strategy"] == "kSameAsRequested"
    assert options["cudnn_conv_algo_search"] == "HEURISTIC"
    assert options["use_tf32"] == 0
