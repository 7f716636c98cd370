"""The kernels' operations, counted by hand and compared with those that torch's operators need for the same."""

from __future__ import annotations

import threading
from pathlib import Path

import torch

from fixtures.models.kernels import kernels
from fixtures.models.tiny_variant import tiny
from samfleet.variants.record import VariantRecord
from samfleet_kernels.encoder_structures import Layer
from samfleet_kernels.library import Kernels, counted, torch_only
from samfleet_kernels.operations import Operations, operations
from samfleet_kernels.structures import DrawingSizes, Sizes
from samfleet_kernels.token_structures import (
    GatheredRows,
    Projection,
    Projections,
    RowProducts,
    RowSquares,
    TokenAttention,
    TokenUpdate,
)
from samfleet_models.decoder.folded import FoldedDecoder
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.tools.flops import count_flops

__all__ = ["kernels", "tiny"]


def test_the_first_sweep_has_two_products() -> None:
    """2 prompts with 7 tokens on 3 image tokens have logits and weighted values of 8 heads of 16 channels."""
    assert operations("first", Sizes(2, 7, 3)) == 2 * 3 * (8 * 7) * 16 * 2 * 2


def test_the_drawing_has_two_convolutions_and_a_product_per_pixel() -> None:
    """Seven tokens have 48 factors in a layer, and one constant; 16 values make a row in each of 8 heads."""
    first, second, masks = 4 * 64 * 2 * (48 + 1) * 2, 16 * 32 * 64 * 2, 16 * 3 * 32 * 2
    rows = 2 * 8 * 7 * 16 * 4 * 64 * 2
    assert operations("drawing", DrawingSizes(tokens=7, pixels=4096, side=64, masks=3)) == rows + 4096 * (
        first + second + masks
    )


def test_a_refining_mask_has_two_convolutions_and_the_product_with_the_features_of_the_image() -> None:
    plain, refined = (
        operations("drawing", DrawingSizes(tokens=8, pixels=4096, side=64, masks=1, refined=flag)) for flag in (0, 1)
    )
    first, second, own = 4 * 6 * 64 * 3 * 32 * 2, 16 * 9 * 64 * 2, 16 * 32 * 2  # 6 products for 4 rows of pixels
    assert refined - plain == 4096 * (first + second + own)


def test_a_point_of_sam_needs_a_third_of_a_gflop_to_be_scored() -> None:
    sizes = Sizes(1, 7, 4096)
    total = sum(operations(kernel, sizes) for kernel in ("first", "second", "third"))
    assert total == 4096 * (3_584 + 22_274 + 51_254)


def test_products_of_rows_are_those_of_sixteen_values_under_a_matrix() -> None:
    """2 prompts of 7 tokens have 56 rows in a layer, and as many on the left of a product with them."""
    assert RowProducts(2, 7, 1).operations() == 2 * 2 * (56 * 16 * 128 + 56 * 56 * 16)
    assert GatheredRows(2, 7, 2).operations() == 2 * 2 * (56 * 112 * 16 + 56 * 256 * 16)
    upper = sum((8 - head) * 6 * 6 for head in range(8))  # a head's rows with those of this head and all behind it
    assert RowSquares(2, 7, 1).operations() == 2 * 2 * (56 * 16 * 128 + upper * 16 + 56 * 16)


def test_a_step_on_tokens_has_its_linear_layers_and_the_products_of_its_attention() -> None:
    square, narrow = Layer(inner=256, outer=256), Layer(inner=256, outer=128)
    attention = TokenAttention(2, 7, queries=square, keys=square, values=square, outputs=square)
    assert attention.operations() == 2 * 2 * (4 * 7 * 256 * 256 + 2 * 7 * 7 * 256)
    each = (Projection(narrow, out=1), Projection(narrow), Projection(narrow, out=1))
    assert Projections(2, 7, each).operations() == 2 * 2 * 7 * 2 * 256 * 128  # the second has no result
    update = TokenUpdate(2, 7, hidden=512, outputs=Layer(inner=128, outer=256))
    assert update.operations() == 2 * 2 * 7 * (128 * 256 + 2 * 256 * 512)


def test_counts_of_all_threads_and_of_inner_counts_are_added() -> None:
    with counted() as outer:
        with counted() as inner:
            inner.add(3)
        assert outer.total == 3
    sums = Operations()

    def add_many() -> None:
        for _ in range(1000):
            sums.add(1)

    threads = [threading.Thread(target=add_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums.total == 4000


def decoded_flops(network: SamNetwork) -> int:
    """Score five points and draw three masks of each, in this thread: torch counts only the calling one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        folded = FoldedDecoder(network.prompt_encoder, network.mask_decoder)
    finally:
        torch.set_num_threads(threads)
    context = folded.prepare((torch.randn(1, 256, 8, 8),))
    coords, labels = torch.rand(5, 2, 2), torch.tensor([1, -1]).expand(5, -1)

    def work() -> None:
        scored = folded.score(context, coords, labels)
        folded.draw(scored, torch.arange(5).repeat_interleave(3), torch.tensor([1, 2, 3]).repeat(5))

    return count_flops(work)


@torch.inference_mode()
def test_a_decode_counts_the_kernels_beside_torch(tiny: tuple[VariantRecord, Path], kernels: Kernels) -> None:
    """The kernels compute half of the symmetric products, and the logits of the first layer twice.

    They leave the last token of each head out of the factors. Drawing projects the 16 values of a head instead of rows
    with 256 channels, and the products of rows are those of such values.
    """
    network = build_network(tiny[0])
    assert isinstance(network, SamNetwork)
    found = decoded_flops(network)
    with torch_only():
        expected = decoded_flops(network)
    pairs, one, both = 56, 56, 113  # rows of the factors of one layer and of two, as torch's operators have them
    one_fewer, both_fewer, each = 49, 98, 48  # and as the kernels have them, `each` without constants
    symmetric = 2 * one**2 + 2 * both**2 - one_fewer * (one_fewer + 1) - both_fewer * (both_fewer + 1)
    against = 2 * pairs * (2 * (one - one_fewer) + both - both_fewer)
    gathered = 2 * pairs * (one - each + both - 2 * each)
    drawn = 2 * 256 * (both - both_fewer)
    by_pixel = symmetric + against + gathered + drawn - 2 * 16 * pairs
    by_head = 8 * pairs * 16  # rows, and what is multiplied with them, between 16 and 256 channels
    tokens = 2 * 256 * (by_head + pairs * (2 * one + both) + one**2 + both**2 + pairs * (one + both))
    own = [
        RowProducts(1, 7, 1),
        RowProducts(1, 7, 1),
        RowProducts(1, 7, 2),
        GatheredRows(1, 7, 1),
        GatheredRows(1, 7, 2),
    ]
    tokens -= sum(arrays.operations() for arrays in (*own, RowSquares(1, 7, 1), RowSquares(1, 7, 2)))
    projected = (both * 256 - 2 * pairs * 16) * 256 * 2
    assert expected - found == 5 * (64 * by_pixel + tokens + projected)
