"""torchvision beside a torch whose binary interface its compiled operators were not built for.

PyPI's torchvision is built for PyPI's torch, which has CUDA. Beside the CPU build its Python parts work, but its
library does not load, and the import fails because the operator `nms` does not exist. Then the plain one below stands
in for it, with the same results; it takes milliseconds of a run of seconds.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

# The import needs both operators; of the one for quantised boxes it needs only the name.
_ARGUMENTS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_STATE: list[torch.library.Library] = []  # a library's operators end with it


def prepare_torchvision() -> None:
    """Import torchvision if it is installed, with the plain operator if its compiled ones do not load."""
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
    else:
        return
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # the failed import left some of its modules
    make: Any = torch.library.Library  # it has no types
    library = make("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}{_ARGUMENTS}")
    library.impl("nms", nms, "CompositeExplicitAutograd")
    _STATE.append(library)
    importlib.import_module("torchvision")
    # Its functions refuse to run without the compiled library.
    extension: Any = importlib.import_module("torchvision.extension")
    extension._has_ops = lambda: True  # noqa: SLF001 - it has no public name


def stands_in() -> bool:
    """Return True if the plain operator is used."""
    return bool(_STATE)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Return the indices of the boxes [n, 4] that remain, best score first, as `torchvision.ops.nms` does."""
    order = torch.argsort(scores, descending=True, stable=True)
    x0, y0, x1, y1 = boxes[order].cpu().float().numpy().T
    areas = (x1 - x0) * (y1 - y0)
    dropped = np.zeros(len(order), dtype=bool)
    for row in range(len(order)):
        if dropped[row]:
            continue
        width = np.minimum(x1[row], x1[row + 1 :]) - np.maximum(x0[row], x0[row + 1 :])
        height = np.minimum(y1[row], y1[row + 1 :]) - np.maximum(y0[row], y0[row + 1 :])
        shared = np.clip(width, 0, None) * np.clip(height, 0, None)
        union = areas[row] + areas[row + 1 :] - shared
        iou = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
        dropped[row + 1 :] |= iou.astype(np.float64) > iou_threshold
    return order[torch.from_numpy(~dropped).to(order.device)]
