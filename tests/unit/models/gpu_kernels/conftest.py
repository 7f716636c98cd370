from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

if os.environ.get("TRITON_INTERPRET") != "1":  # `make test-gpu-kernels` sets it; without, the kernels need a GPU
    collect_ignore_glob = ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.gpu_kernels)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Decoders made during a test take one thread: Triton's interpreter cannot run in two at a time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
