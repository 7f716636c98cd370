"""The oneDNN operators that torch keeps for its compiler, and the conditions for using them.

They can fuse an activation or a sum. On AMD processors their products are twice as fast as those of MKL, which is
behind `torch.mm` and `torch.nn.functional.linear` and does not use AVX-512 there; elsewhere they are as fast.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

AVAILABLE = hasattr(torch.ops.mkldnn, "_linear_pointwise")  # in every torch built with oneDNN


def by_onednn(x: Tensor) -> bool:
    """Test whether computations on `x` use oneDNN's operators."""
    return AVAILABLE and x.device.type == "cpu" and x.dtype in TYPES


def _types() -> set[torch.dtype]:
    """Return the number types that oneDNN supports on this processor; it refuses the others."""
    checks = {
        torch.bfloat16: torch.ops.mkldnn._is_mkldnn_bf16_supported,  # noqa: SLF001 - it has no public name
        torch.float16: torch.ops.mkldnn._is_mkldnn_fp16_supported,  # noqa: SLF001 - it has no public name
    }
    return {torch.float32} | {dtype for dtype, supported in checks.items() if supported()}


TYPES = _types() if AVAILABLE else set()


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return [..., out] = `x` [..., in] · `weight` [out, in] transposed + `bias` [out]."""
    if by_onednn(x):
        return torch.as_tensor(torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], ""))  # noqa: SLF001 - no public name
    return functional.linear(x, weight, bias)
