"""The memory that the GPU kernels need of a multiprocessor; needs neither Triton nor a GPU."""

from __future__ import annotations

import pytest

from samfleet_models.gpu_kernels.limits import (
    DRAWING,
    LARGEST_TOKENS,
    REGISTER_BYTES,
    SHARED_BYTES,
    Blocks,
    block_of,
    drawing_bytes,
)


@pytest.mark.parametrize("number_bytes", [2, 4])
@pytest.mark.parametrize("tokens", range(1, LARGEST_TOKENS + 1))
def test_every_number_of_tokens_fits_an_a100(tokens: int, number_bytes: int) -> None:
    blocks = Blocks.default(tokens, number_bytes)
    assert blocks.shared_bytes(tokens, number_bytes) <= SHARED_BYTES
    # Beside the state, a thread needs registers for the operands of the current product.
    assert blocks.state_bytes(tokens) <= REGISTER_BYTES * 5 // 8


@pytest.mark.parametrize("number_bytes", [2, 4])
def test_drawing_fits_an_a100(number_bytes: int) -> None:
    assert drawing_bytes(DRAWING, number_bytes) <= SHARED_BYTES


def test_more_tokens_would_not_fit() -> None:
    more = LARGEST_TOKENS + 1
    assert Blocks(32, 16, 1).state_bytes(more) > REGISTER_BYTES


def test_the_bytes_of_a_point_are_those_of_the_documentation() -> None:
    assert Blocks.default(7, 4).state_bytes(7) == 4 * 64 * (128 + 16 + 3)
    assert [block_of(tokens) for tokens in (1, 2, 7, 8, 9, 16)] == [1, 2, 8, 8, 16, 16]
