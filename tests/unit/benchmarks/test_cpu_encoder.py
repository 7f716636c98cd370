"""The benchmark of the encoders' kernels, on a tiny variant."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks.cpu_encoder import BF16_KERNELS, choices, compare
from fixtures.models.kernels import reset_kernels
from samfleet.variants.catalogue import get_variant

__all__ = ["reset_kernels"]

ARCHITECTURE = {
    "embed_dims": (16, 32, 32, 32),
    "depths": (1, 1, 1, 1),
    "num_heads": (1, 1, 1, 1),
    "window_sizes": (7, 7, 7, 7),
}


@pytest.mark.usefixtures("reset_kernels")
def test_every_choice_is_timed_and_compared() -> None:
    record = replace(get_variant("mobile_sam"), architecture=ARCHITECTURE, input_size=64)
    before = torch.get_num_threads()
    try:
        results = list(compare(record, [1, 2], 1))
    finally:
        torch.set_num_threads(before)
    assert [(result.kernels, result.threads) for result in results] == [
        (kernels, threads) for threads in (1, 2) for kernels in choices()
    ]
    assert len({result.gflop for result in results}) == 1
    assert all(0 < result.cpu_s < float("inf") and 0 < result.wall_s < float("inf") for result in results)
    for result in results:
        rounds = result.kernels == BF16_KERNELS
        assert result.error <= (0.02 if rounds else 1e-5)
        assert not rounds or result.error > 0
