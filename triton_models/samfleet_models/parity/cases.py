"""Reads a folder of parity cases.

Each folder in it is one variant: `manifest.json` has the shape and type of every published key, `meta.json` what was
recorded and how, `prompts.json` images and prompts, `case*.npz` what the official code gave. The generator of stand-in
weights and images is `fill.py` beside the folders, a function of a key's name and shape alone, so that anyone can
rebuild the very checkpoint without its weights.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet.errors import InvalidInput
from samfleet.variants.task import Prompt

Pixels = NDArray[np.uint8]


class CasesInvalid(InvalidInput):
    """The folder holds no parity cases in the layout that can be read."""

    code = "cases_invalid"


@dataclass(frozen=True, slots=True)
class Case:
    """One image, its prompts without their `multimask`, and the arrays that were recorded of it."""

    name: str
    image: Pixels
    prompts: tuple[Prompt, ...]
    golden: Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class VariantCases:
    """One variant's folder."""

    path: Path
    generator: ModuleType

    @property
    def variant(self) -> str:
        return self.path.name

    @property
    def meta(self) -> dict[str, Any]:
        return self._json("meta.json")

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of every published key."""
        return {key: tuple(entry["shape"]) for key, entry in self._manifest().items()}

    def _manifest(self) -> dict[str, Any]:
        """Of all files together: the decoder's weights may be another one, as NanoSAM's are."""
        decoder = "manifest_decoder.json"
        return self._json("manifest.json") | (self._json(decoder) if (self.path / decoder).exists() else {})

    def state(self) -> dict[str, Tensor]:
        """The stand-in checkpoint: filled by name and shape, some keys scaled or overridden as `meta.json` says."""
        rules = self.meta
        state = {}
        for key, entry in self._manifest().items():
            values = self.generator.fill_tensor(key, tuple(entry["shape"]), entry["dtype"])
            for pattern, factor in (rules.get("scale") or {}).items():
                if re.search(pattern, key):
                    values = values * np.float32(factor)
            for pattern in rules.get("override") or {}:
                if re.search(pattern, key):  # the one rule in use: a distribution's bins, 0, 1, 2, …
                    values = np.arange(np.prod(entry["shape"]), dtype=np.float32).reshape(entry["shape"])
            state[key] = torch.from_numpy(np.array(values))
        return state

    def cases(self) -> Iterator[Case]:
        """Those that were recorded; none where the folder has keys alone."""
        for path in sorted(self.path.glob("case*.npz")):
            described = self._json("prompts.json")[path.stem]
            picture = described["image"]
            image = self.generator.sample_image(picture["seed"], picture["height"], picture["width"])
            with np.load(path) as arrays:
                golden = {name: arrays[name] for name in arrays.files}
            prompts = tuple(_prompt(values) for values in described["prompts"])
            yield Case(path.stem, cast("Pixels", image), prompts, golden)

    def _json(self, name: str) -> dict[str, Any]:
        try:
            values: dict[str, Any] = json.loads((self.path / name).read_text())
        except (OSError, ValueError) as error:
            raise CasesInvalid(f"{self.path / name} cannot be read: {error}") from error
        return values


def find_cases(folder: Path) -> list[VariantCases]:
    """Of every variant in `folder`, by name; or of the one whose folder it is."""
    paths = [folder] if (folder / "manifest.json").exists() else sorted(folder.glob("*/manifest.json"))
    paths = [path if path.is_dir() else path.parent for path in paths]
    if not paths:
        raise CasesInvalid(f"{folder} has no folder with a manifest.json; docs/cli.md describes the layout")
    generator = _generator(folder)
    return [VariantCases(path, generator) for path in paths]


def _generator(folder: Path) -> ModuleType:
    for place in (above / "fill.py" for above in (folder.resolve(), *folder.resolve().parents)):
        if place.exists():
            spec = importlib.util.spec_from_file_location("samfleet_parity_fill", place)
            if spec is not None and spec.loader is not None:
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                return module
    raise CasesInvalid(f"neither {folder} nor a folder above it has a fill.py, which makes the weights and images")


def _prompt(values: Mapping[str, Any]) -> Prompt:
    points = tuple((float(x), float(y)) for x, y in values.get("points") or ())
    box = values.get("box")
    corners = cast("tuple[float, float, float, float]", tuple(map(float, box))) if box else None
    return Prompt(points, tuple(values.get("labels") or ()), corners)
