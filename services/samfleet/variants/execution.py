"""Execution of a variant: its precision and its compilation, set per variant and per server."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, cast, get_args

from samfleet.errors import InvalidInput

Precision = Literal["fp32", "bf16", "fp16", "tf32", "tf32x3", "bf16_products", "bf16_kernels", "int8"]
Products = Literal["ieee", "tf32", "tf32x3", "bf16"]  # of float32 operands; "ieee" keeps all bits of the mantissa
Compilation = Literal["none", "compile", "cuda_graphs"]

ALL_OTHERS = "*"


class ExecutionInvalid(InvalidInput):
    """The execution is not valid; write it as `bf16`, `fp16+compile` or `mobile_sam=int8,*=fp32`."""

    code = "execution_invalid"


@dataclass(frozen=True, slots=True)
class Execution:
    """Precision and compilation, written `bf16` or `fp16+compile`. The default is the reference for all others.

    In `int8` the image encoder computes with integers where a calibration allows it, and in `bf16_kernels` the CPU
    kernels of encoder and decoder round the operands of products to bf16; `bf16_products` is the decoder alone. Raises
    `ExecutionInvalid` for `int8` and `bf16_kernels` with a compilation: torch's compiler cannot take packed weights.
    """

    precision: Precision = "fp32"
    compilation: Compilation = "none"

    def __post_init__(self) -> None:
        if self.precision in {"int8", "bf16_kernels"} and self.compilation != "none":
            raise ExecutionInvalid(
                f"{self.precision} cannot be combined with {self.compilation}; write `{self.precision}`"
            )

    def __str__(self) -> str:
        return self.precision if self.compilation == "none" else f"{self.precision}+{self.compilation}"

    @property
    def is_reference(self) -> bool:
        return self == Execution()

    @property
    def products(self) -> Products:
        """Rounding of the float32 operands of the mask decoder's products.

        It is to TF32, to sums of three products in it, to bf16, or none.
        """
        match self.precision:
            case "bf16_products" | "bf16_kernels":
                return "bf16"
            case "tf32" | "tf32x3" as rounded:
                return rounded
            case _:
                return "ieee"

    @property
    def encoder_products(self) -> Products:
        """Rounding of the float32 operands of the products in the image encoder's kernels."""
        return "bf16" if self.precision == "bf16_kernels" else "ieee"

    @classmethod
    def parse(cls, text: str) -> Execution:
        precision, plus, compilation = (part.strip() for part in text.partition("+"))
        if precision not in get_args(Precision):
            raise ExecutionInvalid(
                f"precision {precision!r} of execution {text!r} is unknown; it is one of {_listed(Precision)}"
            )
        if plus and compilation not in get_args(Compilation):
            raise ExecutionInvalid(
                f"compilation {compilation!r} of execution {text!r} is unknown; it is one of {_listed(Compilation)}"
            )
        return cls(cast("Precision", precision), cast("Compilation", compilation or "none"))


@dataclass(frozen=True, slots=True)
class Executions:
    """The setting `SAMFLEET_EXECUTION`: executions by variant, `*` for all others."""

    by_variant: Mapping[str, Execution] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, variant: str) -> Execution:
        return self.by_variant.get(variant) or self.by_variant.get(ALL_OTHERS) or Execution()

    @classmethod
    def parse(cls, setting: str, known: Collection[str]) -> Executions:
        """Parse `bf16`, `mobile_sam=bf16,sam_vit_b=fp16+compile` or `*=bf16`; each variant must be in `known`."""
        found: dict[str, Execution] = {}
        for entry in filter(None, (part.strip() for part in setting.split(","))):
            name, equals, execution = (part.strip() for part in entry.rpartition("="))
            variant = name if equals else ALL_OTHERS
            if variant != ALL_OTHERS and variant not in known:
                raise ExecutionInvalid(
                    f"{entry!r} names no variant; known are {', '.join(sorted(known))}, and {ALL_OTHERS} for all others"
                )
            if variant in found:
                raise ExecutionInvalid(f"{setting!r} gives {variant} two executions; keep one of them")
            found[variant] = Execution.parse(execution)
        return cls(found)


def _listed(choices: object) -> str:
    return ", ".join(get_args(choices))
