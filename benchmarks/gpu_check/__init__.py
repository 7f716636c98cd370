"""One run over everything that only a GPU can tell: `python -m benchmarks.gpu_check --out DIR`.

It needs a checkout, torch, numpy, pillow, scipy and pycocotools, and nothing of samfleet installed. The folders of the
checkout's packages are put on the path here; docs/benchmarks/gpu-check.md says what to carry to the machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = tuple(str(ROOT / folder) for folder in ("services", "triton_models", "tests"))

sys.path[:0] = [folder for folder in PACKAGES if folder not in sys.path]
