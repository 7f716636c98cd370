"""Loads the compiled kernels and chooses their instruction set, once for the process."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from samfleet.errors import SamfleetError
from samfleet_kernels.encoder_structures import KernelStructure
from samfleet_kernels.operations import Kernel, Operations, operations
from samfleet_kernels.sources import library_path
from samfleet_kernels.structures import STRUCTURES, DrawingSizes, Mask, MaskSizes, Sizes

Instructions = Literal["avx512bf16", "avx512", "avx2", "baseline", "neon"]
BFLOAT16: Instructions = "avx512bf16"  # used by executions that ask for it, not by `Choice`
_WIDTH_OF_BFLOAT16: Instructions = "avx512"
Choice = Literal["auto", "off", "avx512", "avx2", "baseline", "neon", "triton"]
CHOICES: tuple[str, ...] = get_args(Choice)
_BITS: dict[Instructions, int] = {
    "avx512bf16": 16,
    "avx512": 4,
    "avx2": 2,
    "baseline": 1,
    "neon": 8,
}  # of `samfleet_supported`
# Measured faster than torch's operators, AVX2 also against those limited to AVX2 (ADR 60); `auto` takes the first that
# it can. The plain x86-64 form is slower than torch. NEON is correct in an emulator; its speed was never measured.
_MEASURED: tuple[Instructions, ...] = ("avx512", "avx2")


class KernelsUnavailable(SamfleetError):
    """The kernels that SAMFLEET_KERNELS names are not compiled or installed, or this device cannot run them."""

    code = "kernels_unavailable"


@dataclass(frozen=True, slots=True)
class Kernels:
    """The compiled kernels for one instruction set."""

    instructions: Instructions
    _library: ctypes.CDLL

    @property
    def bfloat16(self) -> bool:
        """True if most products take operands in bfloat16, also those from the sweeps' tables."""
        return self.instructions == BFLOAT16

    def memory_floats(self, tokens: int) -> int:
        """Return how many float32 of memory a call for prompts of `tokens` needs."""
        count = getattr(self._library, f"samfleet_memory_{self.instructions}")
        count.restype = ctypes.c_int64
        return int(count(ctypes.c_int64(tokens)))

    def drawing_floats(self, sizes: DrawingSizes) -> int:
        """Return how many float32 of memory the drawing of a prompt's masks needs."""
        count = getattr(self._library, f"samfleet_drawing_memory_{self.instructions}")
        count.restype = ctypes.c_int64
        return int(count(ctypes.byref(sizes)))

    def run(
        self,
        kernel: Kernel,
        sizes: Sizes | DrawingSizes,
        arrays: ctypes.Structure,
        memory: int,
    ) -> None:
        """Run a sweep or the drawing on `arrays`, of the structure of that name.

        `memory` is the address of as many floats as `memory_floats` or `drawing_floats` returns.

        Other threads run meanwhile. Several threads may call at once, each with its own memory.
        """
        if _Process.counter is not None:
            _Process.counter.add(operations(kernel, sizes))
        function = getattr(self._library, f"samfleet_{kernel}_{self.instructions}")
        function.restype = None
        function(ctypes.byref(sizes), ctypes.byref(arrays), ctypes.c_void_p(memory))

    def mask_floats(self, sizes: MaskSizes) -> int:
        """Return how many float32 of memory a mask of these sizes needs."""
        count = getattr(self._library, f"samfleet_mask_memory_{self.instructions}")
        count.restype = ctypes.c_int64
        return int(count(ctypes.byref(sizes)))

    def run_mask(self, sizes: MaskSizes, arrays: Mask, memory: int) -> bool:
        """Interpolate and pack a mask, with the address of `mask_floats` floats; False if a logit is not finite."""
        function = getattr(self._library, f"samfleet_mask_{self.instructions}")
        function.restype = ctypes.c_int64
        return int(function(ctypes.byref(sizes), ctypes.byref(arrays), ctypes.c_void_p(memory))) == 0

    def panel_columns(self) -> int:
        """Return the number of columns of a panel of packed weights."""
        count = getattr(self._library, f"samfleet_panel_columns_{self.instructions}")
        count.restype = ctypes.c_int64
        return int(count())

    def floats(self, arrays: KernelStructure) -> int:
        """Return how many float32 of memory a call with these arrays needs; of an encoder's kernel, each thread."""
        count = getattr(self._library, f"samfleet_{arrays.kernel}_memory_{self.instructions}")
        count.restype = ctypes.c_int64
        return int(count(ctypes.byref(arrays)))

    def call(self, arrays: KernelStructure, memory: int) -> None:
        """Run the kernel of `arrays` with the address of as many floats as `floats` returns; the caller counts.

        An encoder's kernel runs until its counter of items has none left.
        """
        function = getattr(self._library, f"samfleet_{arrays.kernel}_{self.instructions}")
        function.restype = None
        function(ctypes.byref(arrays), ctypes.c_void_p(memory))


def count(operations: int) -> None:
    """Add operations of a kernel that `Kernels.call` runs to the count of this process."""
    if _Process.counter is not None:
        _Process.counter.add(operations)


@cache
def _library() -> ctypes.CDLL | None:
    path = library_path()
    if not path.is_file():
        return None
    library = ctypes.CDLL(str(path))
    sizes = (ctypes.c_int64 * len(STRUCTURES))()
    library.samfleet_struct_bytes(sizes)
    if list(sizes) != [ctypes.sizeof(structure) for structure in STRUCTURES.values()]:
        raise KernelsUnavailable(f"{path} and structures.py differ in their structures; run `make setup`")
    return library


def supported() -> tuple[Instructions, ...]:
    """Return the compiled instruction sets for float32 that this processor supports, the widest first.

    Empty without a library.
    """
    return tuple(name for name in _usable() if name != BFLOAT16)


def _usable() -> tuple[Instructions, ...]:
    library = _library()
    if library is None:
        return ()
    found = int(library.samfleet_supported())
    return tuple(name for name, bit in _BITS.items() if found & bit)


def find(choice: str) -> Kernels | None:
    """Return the CPU kernels for a `Choice`; None for `off`, and for `auto` and `triton` if there are none.

    `triton` names the kernels of GPUs; work on the CPU of such a process is done as with `auto`.

    Raise `KernelsUnavailable` for a name that is unknown, not compiled, or not supported by the processor.
    """
    if choice not in CHOICES:
        raise KernelsUnavailable(f"SAMFLEET_KERNELS is {choice!r}; use one of {', '.join(CHOICES)}")
    usable = supported() if choice != "off" else ()
    if choice in {"auto", "off", "triton"}:
        name = next((name for name in _MEASURED if name in usable), None)
    else:
        name = next((name for name in usable if name == choice), None)
        if name is None:
            there = ", ".join(usable) or "none: run `make setup` with a C++ compiler"
            raise KernelsUnavailable(f"no kernels for SAMFLEET_KERNELS={choice} here; usable are {there}")
    library = _library()
    return Kernels(name, library) if name is not None and library is not None else None


class _Process:
    """The choice of this process, and the count of operations while one is taken."""

    choice: str = "auto"
    counter: Operations | None = None


def choose(choice: str) -> None:
    """Use the kernels for `choice` in decoders made from now on. Raises `KernelsUnavailable` like `find`."""
    find(choice)
    _Process.choice = choice


def choice() -> str:
    """Return the `Choice` of this process."""
    return _Process.choice


def chosen() -> Kernels | None:
    """Return the kernels that this process uses on a CPU; None for torch's operators."""
    return find(_Process.choice)


def chosen_for_bfloat16() -> Kernels | None:
    """Return the kernels whose products take bfloat16; None if this process or its processor does not use AVX-512."""
    own, library = chosen(), _library()
    if own is None or own.instructions != _WIDTH_OF_BFLOAT16 or library is None or BFLOAT16 not in _usable():
        return None
    return Kernels(BFLOAT16, library)


@contextmanager
def counted() -> Iterator[Operations]:
    """Count the floating-point operations of all kernels that run meanwhile, in any thread."""
    before, own = _Process.counter, Operations()
    _Process.counter = own
    try:
        yield own
    finally:
        _Process.counter = before
        if before is not None:
            before.add(own.total)


@contextmanager
def torch_only() -> Iterator[None]:
    """Make decoders with torch's operators meanwhile, whatever this process chose."""
    before = _Process.choice
    _Process.choice = "off"
    try:
        yield
    finally:
        _Process.choice = before
