"""Packages of compiled encoders: kept, recognised, and built again when they are not what they should be."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from samfleet_models.modeling.common import Features
from samfleet_models.modeling.fusion import FusedConvolution
from samfleet_models.precision import packages
from samfleet_models.precision.compilation import CompilerMissing, require_compiler
from samfleet_models.precision.packages import PackagedEncoder, packages_folder, subject_of

IDENTITY = {"family": "tiny", "precision": "fp32"}
PIXELS = torch.zeros(1, 3, 8, 8)

pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning"),
]


class Encoder(nn.Module):
    """One convolution by our own operator."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        published = nn.Conv2d(3, 4, 3, padding=1)
        weight = torch.randn(published.weight.shape, generator=torch.Generator().manual_seed(seed))
        self.convolution = FusedConvolution(published, weight, torch.zeros(4), "gelu")

    def forward(self, pixels: Tensor) -> Features:
        return (self.convolution(pixels.contiguous(memory_format=torch.channels_last)),)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Paths of the packages built, by a stand-in for the compiler that writes their names into them."""
    paths: list[Path] = []

    def compile_(_: object, *, package_path: str) -> str:
        Path(package_path).write_text(Path(package_path).name)
        return package_path

    def load(path: str) -> Callable[[Tensor], list[Tensor]]:
        paths.append(Path(path))
        return lambda pixels: [2 * pixels]

    monkeypatch.setattr(torch.export, "export", lambda *_: None)
    monkeypatch.setattr("torch._inductor.aoti_compile_and_package", compile_)
    monkeypatch.setattr("torch._inductor.aoti_load_package", load)
    return paths


def test_a_package_is_built_once(tmp_path: Path, built: list[Path]) -> None:
    first, second = (PackagedEncoder(Encoder(), PIXELS, IDENTITY, tmp_path / "packages") for _ in range(2))
    assert (first.built, second.built) == (True, False)
    assert built[0] == built[1]
    assert sorted(path.suffix for path in (tmp_path / "packages").iterdir()) == [".json", ".pt2"]
    torch.testing.assert_close(first(torch.ones(1, 3, 8, 8))[0], torch.full((1, 3, 8, 8), 2.0))


def test_every_condition_has_its_own_package(
    tmp_path: Path, built: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    PackagedEncoder(Encoder(), PIXELS, IDENTITY, tmp_path)
    PackagedEncoder(Encoder(1), PIXELS, IDENTITY, tmp_path)  # other weights
    PackagedEncoder(Encoder(), torch.zeros(2, 3, 8, 8), IDENTITY, tmp_path)
    PackagedEncoder(Encoder(), PIXELS, {**IDENTITY, "precision": "bf16"}, tmp_path)
    for name, value in (("engine_version", "other"), ("cpu_flags", "sse2")):
        with monkeypatch.context() as patch:
            patch.setattr(packages, name, lambda value=value: value)
            PackagedEncoder(Encoder(), PIXELS, IDENTITY, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "1.0")
        PackagedEncoder(Encoder(), PIXELS, IDENTITY, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "get_num_threads", lambda: 77)
        PackagedEncoder(Encoder(), PIXELS, IDENTITY, tmp_path)
    assert len(set(built)) == len(built) == 8


@pytest.mark.parametrize("damage", ["package", "truncated", "note", "note_gone", "package_gone", "foreign"])
def test_a_damaged_or_foreign_package_is_built_again(tmp_path: Path, built: list[Path], damage: str) -> None:
    PackagedEncoder(Encoder(), PIXELS, IDENTITY, tmp_path)
    (path,) = set(built)
    note = path.with_suffix(".json")
    whole = path.read_bytes()
    if damage == "package":
        path.write_bytes(whole + b"x")
    elif damage == "truncated":
        path.write_bytes(whole[:-1])
    elif damage == "note":
        note.write_text("[]")
    elif damage == "note_gone":
        note.unlink()
    elif damage == "package_gone":
        path.unlink()
    else:
        note.write_text(json.dumps({**json.loads(note.read_text()), "subject": "another"}))
    again = PackagedEncoder(Encoder(), PIXELS, IDENTITY, tmp_path)
    assert again.built
    assert path.read_bytes() == whole
    assert not PackagedEncoder(Encoder(), PIXELS, IDENTITY, tmp_path).built


def test_the_subject_names_the_weights_and_not_their_place() -> None:
    one = subject_of(Encoder(), PIXELS, IDENTITY)
    assert one == subject_of(Encoder(), PIXELS + 1, IDENTITY)
    assert one["weights"] != subject_of(Encoder().to(torch.bfloat16), PIXELS, IDENTITY)["weights"]


def test_packages_lie_with_torchs_compiled_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    assert packages_folder() == tmp_path / "samfleet_packages"


@pytest.mark.heavy
@pytest.mark.timeout(900)
@torch.inference_mode()
def test_a_real_package_gives_the_same_features_and_loads_in_a_moment(tmp_path: Path) -> None:
    try:
        require_compiler()
    except CompilerMissing as error:
        pytest.skip(f"needs a C++ compiler: {error}")
    encoder = Encoder()
    pixels = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    begun = time.perf_counter()
    first = PackagedEncoder(encoder, PIXELS, IDENTITY, tmp_path)
    building = time.perf_counter() - begun
    begun = time.perf_counter()
    second = PackagedEncoder(encoder, PIXELS, IDENTITY, tmp_path)
    loading = time.perf_counter() - begun
    assert (first.built, second.built) == (True, False)
    assert loading < building / 4
    for own in (pixels, pixels.contiguous(memory_format=torch.channels_last)):
        torch.testing.assert_close(second(own)[0], encoder(pixels)[0], atol=1e-5, rtol=1e-5)
