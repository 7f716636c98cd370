"""Settings of the Triton backend that reach torch before a variant is loaded."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from fixtures.models.shared_data import REPOSITORY
from fixtures.models.stand_in_gpu import GPU, StandInGpu
from fixtures.models.tiny_variant import tiny
from samfleet.variants.record import VariantRecord
from samfleet_models.device.gpu_memory import GpuMemoryShareInvalid
from samfleet_models.serving.engine import EngineSettings

__all__ = ["tiny"]

BACKEND = REPOSITORY / "triton_models" / "backends" / "sam" / "model.py"


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The backend's module as Triton's stub would import it."""
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", ModuleType("triton_python_backend_utils"))
    spec = spec_from_file_location("sam_backend", BACKEND)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_variant_is_limited_to_its_share_of_a_gpu(
    backend: Any, tiny: tuple[VariantRecord, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []

    def engine(*_: object) -> SimpleNamespace:
        assert asked == [(0.5, GPU)]
        return SimpleNamespace()

    monkeypatch.setattr("torch.cuda.set_per_process_memory_fraction", lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(backend, "Engine", engine)
    monkeypatch.setenv("SAMFLEET_GPU_MEMORY_SHARE", "0.5")
    with StandInGpu():
        backend._load(*tiny, EngineSettings(device="cuda"))


def test_an_invalid_share_prevents_loading(
    backend: Any, tiny: tuple[VariantRecord, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMFLEET_GPU_MEMORY_SHARE", "half")
    with pytest.raises(GpuMemoryShareInvalid, match="'half'"):
        backend._load(*tiny, EngineSettings(device="cpu"))
