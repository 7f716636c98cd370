"""The structures of `csrc/encoder.h`, with pointers as addresses, and the operations of the kernels that take them.

Two operations count for each multiply-add of products and convolutions, as torch counts its own.
"""

from __future__ import annotations

import ctypes
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

TAPS = 9
MOST_REGIONS = 4


def _numbers(names: str) -> list[tuple[str, type]]:
    return [(name, ctypes.c_int64) for name in names.split()]


def _arrays() -> list[tuple[str, type]]:
    return [(name, ctypes.c_void_p) for name in ("x", "out", "next")]


class Layer(ctypes.Structure):
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        ("weights", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        *_numbers("inner outer"),
    ]

    def operations(self) -> int:
        """Return the operations for one row."""
        return int(2 * self.inner * self.outer)


class Depthwise(ctypes.Structure):
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [("weights", ctypes.c_void_p), ("bias", ctypes.c_void_p)]


class KernelStructure(ctypes.Structure):
    """The only argument of a `kernel` besides its memory."""

    kernel: ClassVar[str]

    @abstractmethod
    def operations(self) -> int:
        """Return the floating-point operations of the whole call."""


class EncoderStructure(KernelStructure):
    """The argument of a kernel whose threads share the counter `next`."""

    next: int


class InvertedResidual(EncoderStructure):
    kernel = "inverted_residual"
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        *_numbers("images height width stride residual bands"),
        ("widen", Layer),
        ("mix", Depthwise),
        ("narrow", Layer),
        *_arrays(),
    ]

    def operations(self) -> int:
        outputs = -(-self.height // self.stride) * -(-self.width // self.stride)
        each = 2 * TAPS * self.widen.outer + self.narrow.operations()
        return int(self.images * (self.height * self.width * self.widen.operations() + outputs * each))


class Region(ctypes.Structure):
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        *_numbers("windows tokens keys"),
        ("places", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
    ]


class WindowAttention(EncoderStructure):
    kernel = "window_attention"
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        *_numbers("images pixels heads regions"),
        ("epsilon", ctypes.c_float),
        ("inputs", Layer),
        ("padding", ctypes.c_void_p),
        ("outputs", Layer),
        ("region", Region * MOST_REGIONS),
        *_arrays(),
    ]

    def operations(self) -> int:
        linear = self.pixels * (self.inputs.operations() + self.outputs.operations())
        used = self.region[: self.regions]
        pairs = sum(region.windows * region.tokens * region.keys for region in used)
        return int(self.images * (linear + 2 * 2 * pairs * self.inputs.inner))


class FeedForward(EncoderStructure):
    kernel = "feed_forward"
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        *_numbers("images height width mixed normed"),
        ("epsilon", ctypes.c_float),
        ("mix", Depthwise),
        ("widen", Layer),
        ("narrow", Layer),
        *_arrays(),
    ]

    def operations(self) -> int:
        mixing = 2 * TAPS * self.widen.inner if self.mixed else 0
        each = mixing + self.widen.operations() + self.narrow.operations()
        return int(self.images * self.height * self.width * each)


class Convolution(ctypes.Structure):
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        ("layer", Layer),
        *_numbers("side stride gelu"),
        ("epsilon", ctypes.c_float),
        ("gain", ctypes.c_void_p),
        ("shift", ctypes.c_void_p),
    ]


class ConvolutionPair(EncoderStructure):
    kernel = "convolution_pair"
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        *_numbers("images height width planar bands"),
        ("first", Convolution),
        ("second", Convolution),
        *_arrays(),
    ]

    def operations(self) -> int:
        height, width, total = self.height, self.width, 0
        for convolution in (self.first, self.second):
            height, width = -(-height // convolution.stride), -(-width // convolution.stride)
            total += height * width * convolution.layer.operations()
        return int(self.images * total)


_ALL: tuple[type[EncoderStructure], ...] = (InvertedResidual, WindowAttention, FeedForward, ConvolutionPair)
ENCODER_STRUCTURES = {structure.kernel: structure for structure in _ALL}
