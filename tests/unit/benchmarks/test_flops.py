from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.flops import matrix_peak
from samfleet_models.ops import onednn_layers
from samfleet_models.tools.flops import count_flops


def ones(*shape: int) -> Tensor:
    return torch.ones(shape)


@torch.inference_mode()
@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (lambda: ones(3, 4) @ ones(4, 5), 2 * 3 * 4 * 5),
        (lambda: functional.linear(ones(2, 3, 4), ones(5, 4), ones(5)), 2 * 6 * 4 * 5),
        (lambda: ones(3, 5).addmm_(ones(3, 4), ones(4, 5)), 2 * 3 * 4 * 5),
        (lambda: ones(2, 3, 5).baddbmm_(ones(2, 3, 4), ones(2, 4, 5)), 2 * 2 * 3 * 4 * 5),
        (lambda: torch.mm(ones(3, 4), ones(4, 5), out=ones(3, 5)), 2 * 3 * 4 * 5),
        (
            lambda: functional.scaled_dot_product_attention(ones(2, 8, 7, 16), ones(2, 8, 64, 16), ones(2, 8, 64, 16)),
            2 * 2 * 8 * 7 * 64 * (16 + 16),
        ),
        (lambda: functional.conv_transpose2d(ones(1, 8, 6, 6), ones(8, 4, 2, 2), stride=2), 2 * 36 * 8 * 4 * 4),
        (lambda: ones(9).exp(), 0),
    ],
)
def test_only_products_are_counted(work: Callable[[], object], expected: int) -> None:
    assert count_flops(work) == expected


@torch.inference_mode()
@pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="needs a torch built with oneDNN")
def test_layers_of_onednn_are_counted() -> None:
    layer = torch.ops.mkldnn._linear_pointwise
    assert count_flops(lambda: layer(ones(3, 4), ones(5, 4), ones(5), "none", [], "")) == 2 * 3 * 4 * 5
    assert count_flops(lambda: layer.binary(ones(3, 4), ones(3, 5), ones(5, 4), None, "add")) == 2 * 3 * 4 * 5
    assert count_flops(lambda: onednn_layers.linear(ones(3, 4), ones(5, 4), ones(5), "gelu")) == 2 * 3 * 4 * 5
    image, kernel = ones(1, 8, 6, 6), ones(8, 2, 3, 3)
    strided = ([2, 2], [1, 1], [1, 1], 4)  # stride, padding, dilation, groups
    assert count_flops(lambda: onednn_layers.convolution(image, kernel, None, "gelu", *strided)) == 2 * 8 * 9 * 2 * 9


def test_the_measured_peak_is_positive() -> None:
    assert matrix_peak(torch.device("cpu"), torch.float32, seconds=0.01) > 0
