"""Where oneDNN's own operators are used, which torch keeps for its compiler.

They take an activation or a sum along, and on AMD processors their products are twice as fast as the MKL behind
`torch.mm` and `torch.nn.functional.linear`, which leaves AVX-512 alone there; elsewhere they are as fast.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

AVAILABLE = hasattr(torch.ops.mkldnn, "_linear_pointwise")  # in every torch that is built with oneDNN


def by_onednn(x: Tensor) -> bool:
    """Whether what is computed from `x` runs through them."""
    return AVAILABLE and x.device.type == "cpu" and x.dtype in TYPES


def _types() -> set[torch.dtype]:
    """The number types that oneDNN computes on this processor; it refuses the others."""
    checks = {
        torch.bfloat16: torch.ops.mkldnn._is_mkldnn_bf16_supported,  # noqa: SLF001 - it has no public name
        torch.float16: torch.ops.mkldnn._is_mkldnn_fp16_supported,  # noqa: SLF001 - it has no public name
    }
    return {torch.float32} | {dtype for dtype, supported in checks.items() if supported()}


TYPES = _types() if AVAILABLE else set()


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """[..., out] = `x` [..., in] · `weight` [out, in] transposed + `bias` [out]."""
    if by_onednn(x):
        return torch.as_tensor(torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], ""))  # noqa: SLF001 - no public name
    return functional.linear(x, weight, bias)
