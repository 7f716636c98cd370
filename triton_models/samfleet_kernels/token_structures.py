"""The structures of `csrc/tokens.h`, with pointers as addresses, and the operations of the kernels that take them.

Two operations count for each multiply-add of products, as torch counts its own. Of a symmetric product only the
computed half counts.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import ClassVar

from samfleet_kernels.encoder_structures import KernelStructure, Layer

HEADS, CHANNELS = 8, 16
WIDTH = HEADS * CHANNELS
DIM = 2 * WIDTH  # channels of a token
PROJECTIONS = 3  # of one call


def _numbers(names: str) -> list[tuple[str, type]]:
    return [(name, ctypes.c_int64) for name in names.split()]


def _arrays(names: str) -> list[tuple[str, type]]:
    return [(name, ctypes.c_void_p) for name in names.split()]


class Norm(ctypes.Structure):
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [*_arrays("gain shift"), ("epsilon", ctypes.c_float)]


class TokenAttention(KernelStructure):
    kernel = "token_attention"
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        *_numbers("prompts tokens positioned_keys positioned_values residual"),
        *((name, Layer) for name in ("queries", "keys", "values", "outputs")),
        ("norm", Norm),
        *_arrays("x positions out"),
    ]

    def operations(self) -> int:
        linear = sum(layer.operations() for layer in (self.queries, self.keys, self.values, self.outputs))
        return int(self.prompts * self.tokens * (linear + 2 * 2 * self.tokens * DIM))


class Projection(ctypes.Structure):
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        ("layer", Layer),
        *_numbers("positioned minus"),
        *_arrays("out"),
    ]


class Projections(KernelStructure):
    kernel = "projections"
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        *_numbers("prompts tokens"),
        ("each", Projection * PROJECTIONS),
        *_arrays("x positions"),
    ]

    def operations(self) -> int:
        return int(self.prompts * self.tokens * sum(each.layer.operations() for each in self.each if each.out))


class TokenUpdate(KernelStructure):
    kernel = "token_update"
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        *_numbers("prompts tokens hidden gelu"),
        ("outputs", Layer),
        ("norm", Norm),
        ("last_norm", Norm),
        *_arrays("widen widen_bias narrow narrow_bias x seen out"),
    ]

    def operations(self) -> int:
        return int(self.prompts * self.tokens * (self.outputs.operations() + 2 * 2 * DIM * self.hidden))


class RowProducts(KernelStructure):
    kernel = "row_products"
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        *_numbers("prompts tokens layers"),
        *_arrays("left matrices shifts values out"),
    ]

    def operations(self) -> int:
        return int(self.prompts * HEADS * self.tokens * self.layers * WIDTH * 2 * (CHANNELS + self.tokens))


class RowSquares(KernelStructure):
    kernel = "row_squares"
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        *_numbers("prompts tokens layers"),
        *_arrays("matrices shift"),
        ("shift_square", ctypes.c_float),
        *_arrays("values out"),
    ]

    def operations(self) -> int:
        heads, others = self.layers * HEADS, self.tokens - 1
        under = heads * self.tokens * CHANNELS * self.layers * WIDTH
        regular = others**2 * CHANNELS * heads * (heads + 1) // 2
        constant = self.layers * self.tokens * self.layers * WIDTH
        return int(self.prompts * 2 * (under + regular + constant))


class GatheredRows(KernelStructure):
    kernel = "gathered_rows"
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        *_numbers("prompts tokens layers"),
        *_arrays("gathered values matrices shifts seen"),
    ]

    def operations(self) -> int:
        return int(self.prompts * HEADS * self.tokens * self.layers * WIDTH * 2 * (CHANNELS + self.tokens))


_ALL: tuple[type[KernelStructure], ...] = (
    TokenAttention,
    Projections,
    TokenUpdate,
    RowProducts,
    RowSquares,
    GatheredRows,
)
TOKEN_STRUCTURES = {structure.kernel: structure for structure in _ALL}
