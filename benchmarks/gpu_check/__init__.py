"""One run of all checks that need a GPU: `python -m benchmarks.gpu_check --out DIR`.

It needs a checkout, torch, numpy, pillow, scipy and pycocotools; samfleet need not be installed. This module puts the
checkout's packages on the path. docs/benchmarks/gpu-check.md lists the files to bring to the machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = tuple(str(ROOT / folder) for folder in ("services", "triton_models", "tests"))

sys.path[:0] = [folder for folder in PACKAGES if folder not in sys.path]
