"""The kernels compiled for an A100 and an H100, which need not be here, and the shared memory that they take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", exc_type=ImportError)

from samfleet_models.gpu_kernels.limits import DRAWING, Blocks, drawing_bytes

PROGRAM = Path(__file__).parents[3] / "fixtures" / "models" / "compiled_kernels.py"


@pytest.mark.timeout(900)
def test_kernels_compile_and_take_no_more_shared_memory_than_said(tmp_path: Path) -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    answer = subprocess.run((sys.executable, PROGRAM), env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[-3000:]
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [row[0] for row in rows] == 2 * ["first", "second", "third", "drawing"]
    for name, _, tokens, number_bytes, found in rows:
        bound = Blocks.default(tokens, number_bytes).shared_bytes(tokens, number_bytes)
        assert 0 < found <= (drawing_bytes(DRAWING, number_bytes) if name == "drawing" else bound)
