"""Print the figures of the package lvis for masks: `python read_lvis.py ANNOTATIONS RESULTS`.

It runs under the tools' own Python, which `make test-tools` sets up, and therefore imports nothing of ours. lvis 0.5.3
was written for older libraries: it uses `numpy.float`, which was an alias of `float`, and imports OpenCV to draw.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import numpy as np

setattr(np, "float", float)  # noqa: B010 - removed from numpy 1.24, so a type checker does not know it
if find_spec("cv2") is None:
    sys.modules["cv2"] = ModuleType("cv2")


def main(annotations: str, results: str) -> None:
    evaluation = import_module("lvis").LVISEval(annotations, results, "segm")
    evaluation.run()
    figures = {name.split("@")[0]: float(value) for name, value in evaluation.get_results().items()}
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
