"""The structures of `csrc/interface.h`, with pointers as addresses."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import ClassVar

from samfleet_kernels.encoder_structures import ENCODER_STRUCTURES
from samfleet_kernels.token_structures import TOKEN_STRUCTURES


class Sizes(ctypes.Structure):
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        (name, ctypes.c_int64) for name in ("prompts", "tokens", "pixels", "by_tile")
    ]


class DrawingSizes(ctypes.Structure):
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        (name, ctypes.c_int64) for name in ("tokens", "pixels", "side", "masks", "together", "refined")
    ]


def _pointers(names: str) -> list[tuple[str, type]]:
    return [(name, ctypes.c_float if name == "epsilon" else ctypes.c_void_p) for name in names.split()]


class First(ctypes.Structure):
    _fields_: ClassVar[Sequence[tuple[str, type]]] = _pointers("queries keys values seen")


class Second(ctypes.Structure):
    _fields_: ClassVar[Sequence[tuple[str, type]]] = _pointers(
        "early_keys echo_values products queries against early_queries echoes keys position_keys values norms epsilon "
        "scale gathered seen"
    )


class Third(ctypes.Structure):
    _fields_: ClassVar[Sequence[tuple[str, type]]] = _pointers(
        "early_keys late_keys early_values late_values late_against products queries against early_queries "
        "late_queries position_queries early_echoes late_echoes keys position_keys values shift norms epsilon image "
        "scale gathered seen"
    )


class Drawing(ctypes.Structure):
    _fields_: ClassVar[Sequence[tuple[str, type]]] = _pointers(
        "image scale values matrices shift base bias constants norm_weight norm_bias epsilon second second_bias terms "
        "kernels refining out"
    )


class Refining(ctypes.Structure):
    _fields_: ClassVar[Sequence[tuple[str, type]]] = _pointers(
        "first first_bias norm_weight norm_bias epsilon taps image kernel constant"
    )


class MaskSizes(ctypes.Structure):
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        (name, ctypes.c_int64)
        for name in ("height", "width", "low_height", "low_width", "low_stride", "y_taps", "x_taps", "most_unsure")
    ]


class Mask(ctypes.Structure):
    _fields_: ClassVar[Sequence[tuple[str, type]]] = [
        *_pointers("logits y_first y_weights x_first x_weights"),
        ("thresholds", ctypes.c_double * 3),
        ("error", ctypes.c_double),
        *_pointers("bits certain possible unsure unsure_count"),
    ]


STRUCTURES: dict[str, type[ctypes.Structure]] = {
    "first": First,
    "second": Second,
    "third": Third,
    "drawing": Drawing,
    "mask": Mask,
    "refining": Refining,
    **ENCODER_STRUCTURES,
    **TOKEN_STRUCTURES,
}
