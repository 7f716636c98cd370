"""The kernels' operations, counted by hand and compared with those that torch's operators need for the same."""

from __future__ import annotations

import threading
from pathlib import Path

import torch

from fixtures.models.kernels import kernels
from fixtures.models.tiny_variant import tiny
from samfleet.variants.record import VariantRecord
from samfleet_kernels.library import Kernels, counted, torch_only
from samfleet_kernels.operations import Operations, operations
from samfleet_kernels.structures import DrawingSizes, Sizes
from samfleet_models.decoder.folded import FoldedDecoder
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.tools.flops import count_flops

__all__ = ["kernels", "tiny"]


def test_the_first_sweep_has_two_products() -> None:
    """2 prompts with 7 tokens on 3 image tokens have logits and weighted values of 8 heads of 16 channels."""
    assert operations("first", Sizes(2, 7, 3)) == 2 * 3 * (8 * 7) * 16 * 2 * 2


def test_the_drawing_has_two_convolutions_and_a_product_per_pixel() -> None:
    first, second, masks = 4 * 64 * 113 * 2, 16 * 32 * 64 * 2, 16 * 3 * 32 * 2
    assert operations("drawing", DrawingSizes(rows=113, pixels=4096, side=64, masks=3)) == 4096 * (
        first + second + masks
    )


def test_a_refining_mask_has_two_convolutions_and_the_product_with_the_features_of_the_image() -> None:
    plain, refined = (
        operations("drawing", DrawingSizes(rows=129, pixels=4096, side=64, masks=1, refined=flag)) for flag in (0, 1)
    )
    first, second, own = 4 * 6 * 64 * 3 * 32 * 2, 16 * 9 * 64 * 2, 16 * 32 * 2  # 6 products for 4 rows of pixels
    assert refined - plain == 4096 * (first + second + own)


def test_a_point_of_sam_needs_a_third_of_a_gflop_to_be_scored() -> None:
    sizes = Sizes(1, 7, 4096)
    total = sum(operations(kernel, sizes) for kernel in ("first", "second", "third"))
    assert total == 4096 * (3_584 + 22_274 + 51_254)


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
    with 256 channels.
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
    tokens = 2 * 256 * (one**2 - one_fewer**2 + both**2 - both_fewer**2)
    tokens += 2 * 256 * pairs * (3 * (one - one_fewer) + 2 * (both - both_fewer))
    projected = (both * 256 - 2 * pairs * 16) * 256 * 2
    assert expected - found == 5 * (64 * by_pixel + tokens + projected)
