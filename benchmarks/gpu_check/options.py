"""The options of one run, on its command line and for its child processes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


class OptionsInvalid(Exception):
    """The run cannot start with these options."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a run. `work` is a folder for unpacked and rebuilt files.

    Empty texts and tuples mean that a value is not given.
    """

    out: str
    work: str
    device: str = "cuda"
    small: bool = False
    minutes: float = 9.0
    mobile_sam: str = ""
    parity: str = ""
    images: str = ""
    commit: str = ""
    steps: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    wheels: str = ""
    triton_wheel: str = ""
    libpython: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Options:
        values = json.loads(text)
        return cls(**{**values, **{name: tuple(values[name]) for name in ("steps", "variants")}})

    def photographs(self, at_most: int | None = None) -> list[Path]:
        """Return image files by name, including sub-folders."""
        found = sorted(path for path in Path(self.images).rglob("*") if path.suffix.lower() in SUFFIXES)
        if not found:
            raise OptionsInvalid(f"{self.images} has no photographs; name a folder of .jpg or .png files in --images")
        return found[:at_most]

    def wanted(self, names: Sequence[str]) -> list[str]:
        """Return the `names` that --variants selects."""
        return [name for name in names if not self.variants or name in self.variants]


NAMES = frozenset(field.name for field in fields(Options))


def parse(words: Sequence[str] | None, known: Sequence[str]) -> Options:
    """Parse the command line. `known` are the names of the steps, with those of --triton last."""
    parser = _parser(known)
    given = parser.parse_args(words)
    for name in ("mobile_sam", "parity", "images", "wheels", "triton_wheel", "libpython"):
        path = getattr(given, name)
        if path and not Path(path).exists():
            parser.error(f"--{name.replace('_', '-')}: {path} does not exist")
    if not given.steps:
        given.steps = [name for name in known if name != "triton" or given.triton]
    given.steps = tuple(given.steps)
    given.variants = tuple(given.variants)
    values: dict[str, Any] = {name: value for name in NAMES if (value := getattr(given, name)) is not None}
    values |= {name: str(value.resolve()) for name, value in values.items() if isinstance(value, Path)}
    return Options(**{"work": str(given.out.resolve() / "work"), **values})


def _parser(known: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_check", description=__doc__)
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="one JSON file per step and summary.json")
    add("--mobile-sam", type=Path, required=True, metavar="FILE", help="the published mobile_sam.pt")
    add("--parity", type=Path, required=True, metavar="DIR", help="parity cases with fill.py")
    add("--images", type=Path, required=True, metavar="DIR", help="photographs; at least 5, better 32")
    add("--device", default="cuda", help="cpu, cuda or cuda:N")
    add("--small", action="store_true", help="few and small cases, to check that every part runs")
    add("--minutes", type=float, default=9.0, help="limit of the whole run; steps without time left are skipped")
    add("--steps", nargs="+", choices=known, metavar="STEP", help=f"some of: {', '.join(known)}")
    add("--variants", nargs="+", default=(), metavar="NAME", help="only these in the steps of several variants")
    add("--commit", default="", help="the checkout's commit, if git is not available")
    add("--triton", action="store_true", help="also run the real Triton from its wheel")
    add("--triton-wheel", type=Path, metavar="FILE", help="nvidia-pytriton; default: the installed one")
    add("--wheels", type=Path, metavar="DIR", help="wheels of packages missing on the machine")
    add("--libpython", type=Path, metavar="FILE", help="libpython3.x.so.1.0, if the machine has none")
    add("--work", type=Path, metavar="DIR", help="folder for unpacked and rebuilt files; default: DIR/work")
    return parser
