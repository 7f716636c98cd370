"""The kernels that turn logits into runs, in Triton's interpreter, against torch's `interpolate`, to the last bit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TRITON_INTERPRET", "1")  # read when the kernels are defined
pytest.importorskip("triton", exc_type=ImportError)

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from samfleet.masks.runs import Runs, pack_columns
from samfleet.variants.conventions import Upsampling
from samfleet_models.gpu_kernels import masks as kernels
from samfleet_models.gpu_kernels.axis_table import AxisTable
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.postprocess.tap_tables import bilinear_table, upscaling_table
from samfleet_models.postprocess.upsample import resized, upscale

FRAME = ImageFrame.of(131, 101, 72)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numpy, for infinities in the interpreter


@pytest.fixture(autouse=True, scope="module")
def wide_blocks() -> Iterator[None]:
    """The interpreter takes about as long for a large block as for a small one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kernels, "BLOCK", 128)
        yield


def axis(low: torch.Tensor, frame: ImageFrame, number: int) -> AxisTable:
    return AxisTable(*map(torch.from_numpy, upscaling_table(low.shape[1:], frame, number)))


def drawn(low: torch.Tensor, frame: ImageFrame, offset: float, rows: list[int]) -> tuple[list[list[int]], list[int]]:
    y, x = axis(low, frame, 0), axis(low, frame, 1)
    counts, edges = kernels.count(low, y, x, (offset, -offset))
    chosen = torch.tensor(rows)
    return counts.tolist(), kernels.write(low, y, x, chosen, edges, int(edges[chosen].sum())).tolist()


def expected(low: torch.Tensor, frame: ImageFrame, offset: float, rows: list[int]) -> tuple[list[list[int]], list[int]]:
    logits = upscale(low.float(), frame)
    counts = torch.stack([(logits > threshold).sum((1, 2)) for threshold in (offset, -offset)], 1)
    columns = np.ascontiguousarray((logits > 0).numpy()[rows].transpose(0, 2, 1))
    runs = Runs.of_bits(pack_columns(columns), frame.original)
    return counts.tolist(), np.stack([runs.start, runs.stop], 1).reshape(-1).tolist()


def random_logits(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 16, 16, generator=torch.Generator().manual_seed(seed)) * 3


@given(
    size=st.tuples(st.integers(129, 161), st.integers(1, 140)).map(lambda size: size[:: 1 if size[0] % 2 else -1]),
    upsampling=st.sampled_from(["through_frame", "direct", "cropped"]),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
    scale=st.sampled_from([0.0, 1e-6, 1.0, 1e4]),
    seed=st.integers(0, 9),
)
@settings(max_examples=6, deadline=None)
def test_counts_and_runs_are_those_of_torch(
    size: tuple[int, int], upsampling: Upsampling, dtype: torch.dtype, scale: float, seed: int
) -> None:
    """For images larger than those for which torch's CPU kernels round differently (`SMALL_KERNEL`)."""
    frame = replace(ImageFrame.of(*size, 72), upsampling=upsampling)
    low = (random_logits(2, seed) * scale).to(dtype)
    assert drawn(low, frame, 1.0, [1]) == expected(low, frame, 1.0, [1])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38, 1.0, -1.0])
def test_extreme_logits(value: float) -> None:
    low = random_logits(2)
    low[0, 4:9, 5] = value
    low[1] = value
    assert drawn(low, FRAME, 1.0, [0, 1]) == expected(low, FRAME, 1.0, [0, 1])


def test_masks_that_did_not_pass_are_skipped() -> None:
    low = random_logits(4)
    assert drawn(low, FRAME, 0.5, [0, 3]) == expected(low, FRAME, 0.5, [0, 3])
    assert drawn(low, FRAME, 0.5, [2, 1])[1] == expected(low, FRAME, 0.5, [2, 1])[1]


def test_a_column_after_a_block_continues_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    low = torch.full((1, 16, 16), 1.0)
    low[0, :, 8:] = -1.0
    monkeypatch.setattr(kernels, "BLOCK", 16)
    frame = ImageFrame.of(129, 40, 72)
    assert drawn(low, frame, 0.5, [0]) == expected(low, frame, 0.5, [0])


@pytest.mark.parametrize(("inputs", "outputs"), [(7, 140), (64, 257), (300, 129), (129, 129), (1, 130)])
def test_tables_have_the_weights_of_torch(inputs: int, outputs: int) -> None:
    index, weight = bilinear_table(inputs, outputs)
    matrix = torch.zeros(outputs, inputs)
    matrix.scatter_add_(1, torch.from_numpy(index.T).long(), torch.from_numpy(weight.T.copy()))
    assert torch.equal(matrix, resized(torch.eye(inputs)[None], (outputs, inputs))[0])


COMPILE = """
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from samfleet_models.gpu_kernels.mask_sweeps import count_kernel, write_kernel
from samfleet_models.gpu_kernels.masks import BLOCK, STEP

types = {
    "low_res": "*fp32", "y_index": "*i32", "y_weight": "*fp32", "x_index": "*i32", "x_weight": "*fp32", "high": "fp32",
    "low": "fp32", "sums": "*i32", "edges": "*i32", "rows": "*i64", "offsets": "*i64", "ends": "*i32",
}
constants = {"STEP": STEP, "BLOCK": BLOCK, "TWO_STEPS": True, "EMULATED": False}
for kernel in (count_kernel, write_kernel):
    signature = {name: "constexpr" if name in constants else types.get(name, "i32") for name in kernel.arg_names}
    source = ASTSource(kernel, signature, {(kernel.arg_names.index(name),): own for name, own in constants.items()})
    print(len(compile(source, target=GPUTarget("cuda", 80, 32)).asm["cubin"]))
"""


@pytest.mark.heavy
def test_the_kernels_compile_without_a_gpu(tmp_path: Path) -> None:
    """The compiler refuses some programs that the interpreter runs."""
    environment = {name: own for name, own in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(int(size) > 0 for size in done.stdout.split())
