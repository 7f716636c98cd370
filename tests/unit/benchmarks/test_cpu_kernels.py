from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks import cpu_kernels
from benchmarks.cpu_kernels import BF16_PRODUCTS, Least, Result, choices, compare, described
from fixtures.models.tiny_variant import tiny
from samfleet.variants.record import VariantRecord
from samfleet_kernels.library import choose, supported
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork

__all__ = ["tiny"]


@pytest.fixture
def undo() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    choose("auto")


@torch.inference_mode()
def test_every_way_of_decoding_has_times_work_and_agreement(
    tiny: tuple[VariantRecord, Path], undo: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_kernels, "matrix_peak", lambda *_: 100.0)
    network = build_network(tiny[0]).eval()
    assert isinstance(network, SamNetwork)
    features = (torch.randn(1, 256, 8, 8, generator=torch.Generator().manual_seed(1)),)
    found = list(compare(network, features, ImageFrame.of(96, 128, 128), threads=[1, 2], repeats=1))
    names = list(choices())
    assert names[: 1 + len(supported())] == ["off", *supported()]
    assert [(result.kernels, result.threads) for result in found] == [(name, n) for n in (1, 2) for name in names]
    for result in found:
        assert 0 < result.score.wall_ms < float("inf")
        assert result.iou_error < (0.05 if result.kernels == BF16_PRODUCTS else 1e-3)
        assert result.peak == 100.0
        assert result.scored_gflop > 0
        assert result.drawn_gflop > 0
    if names != ["off"]:
        assert found[1].scored_gflop < found[0].scored_gflop  # half of the symmetric products
        assert found[1].drawn_gflop < found[0].drawn_gflop  # 16 values of a head instead of a row of 256


def test_the_line_of_a_result_has_its_speed_and_share_of_the_peak() -> None:
    result = Result("avx2", 2, peak=100.0, scored_gflop=0.4, drawn_gflop=0.5)
    result.score, result.draw, result.pack = Least(20, 10), Least(20, 20), Least(1, 1)
    assert "scored with 0.400 GFLOP at 40 GFLOP/s = 40% of the peak" in described(result)
    assert "drawn with 0.500 GFLOP at 25 GFLOP/s = 25% of the peak" in described(result)
