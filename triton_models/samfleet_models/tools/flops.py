"""Counts the floating-point operations of a function.

torch's flop counter counts products and convolutions from the actual shapes, two operations per multiply-add;
element-wise steps count nothing. So folded arithmetic is not counted. torch counts only the calling thread, and also
works on the meta device, where nothing is computed. The compiled CPU kernels are counted in the same way, in all
threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from samfleet_kernels.library import counted
from samfleet_models.ops import onednn_layers

Shape = tuple[int, ...]


def count_flops(work: Callable[[], object]) -> int:
    with counting() as so_far:
        work()
        return so_far()


@contextmanager
def counting() -> Iterator[Callable[[], int]]:
    """Count meanwhile; yields a function that returns the operations so far."""
    with counted() as kernels, FlopCounterMode(display=False, custom_mapping=_uncounted()) as counter:
        yield lambda: int(counter.get_total_flops()) + kernels.total


def _attention(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    batch, heads, queries, channels = query
    return 2 * batch * heads * queries * key[2] * (channels + value[3])


def _added_product(_: Shape, a: Shape, b: Shape, *__: Any, **___: Any) -> int:
    """Count a product of matrices [n, k] and [k, m], or of a batch of them along the first dimension."""
    return 2 * math.prod(a) * b[-1]


def _linear(x: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    return 2 * math.prod(x) * out_shape[-1]


def _convolution(_: Shape, weight: Shape, *__: Any, out_shape: Shape, **___: Any) -> int:
    return 2 * math.prod(out_shape) * math.prod(weight[1:])


def _uncounted() -> dict[Any, Callable[..., int]]:
    """Return counters for products that torch's table lacks.

    They are the CPU's attention, in-place and fused additions, and oneDNN's layers.
    """
    aten, mkldnn = torch.ops.aten, torch.ops.mkldnn
    layers = [mkldnn._linear_pointwise] if hasattr(mkldnn, "_linear_pointwise") else []  # noqa: SLF001 - it has no public name
    return {
        **dict.fromkeys(layers, _linear),
        onednn_layers.LINEAR: _linear,
        onednn_layers.CONVOLUTION: _convolution,
        aten._scaled_dot_product_flash_attention_for_cpu: _attention,  # noqa: SLF001 - the operator's public name
        aten.addmm_: _added_product,
        aten._addmm_activation: _added_product,  # noqa: SLF001 - the operator's public name
        aten.baddbmm_: _added_product,
    }
