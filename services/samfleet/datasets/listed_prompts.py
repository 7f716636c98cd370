"""Prompts of datasets that a task lists: of buckets, manifests and archives.

A request names their place by `prompts_path`, or they were uploaded before the manifest or archive.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from samfleet.datasets.manifests.files import Sources, open_place
from samfleet.datasets.placed_prompts import PlacedPrompts
from samfleet.datasets.prompt_formats.uploaded import LabelFormat
from samfleet.datasets.prompt_lines import PromptsTooLarge
from samfleet.datasets.prompts import Opener, PromptsNotFound, write_prompts
from samfleet.datasets.service import InputLimits
from samfleet.datasets.stored_prompts import names_of, stored_prompts
from samfleet.db.models import Dataset


@dataclass(frozen=True, slots=True)
class ListedPrompts:
    """The places where a listed dataset may have its prompts.

    `path` is a path on the server or an s3:// address, `format` that of labels of another tool, and `profile` a name of
    SAMFLEET_S3_SOURCES. A `limited` dataset has only some of the images that its source has, so prompts of the others
    are skipped.
    """

    path: str | None
    format: LabelFormat | None
    profile: str | None
    sources: Sources
    limits: InputLimits
    limited: bool

    def check(self) -> None:
        """Validate the prompts at `path` before the images are listed, which may take long."""
        if self.path is not None:
            self._placed(self.path).check()

    def write(self, session: Session, dataset: Dataset) -> None:
        """Write the prompts of a locked dataset that has its images; those at `path` replace uploaded ones."""
        session.flush()
        if self.path is not None:
            names = () if self.format is None else names_of(session, dataset)
            opened: Opener | None = self._placed(self.path).opener(names, limited=self.limited)
        else:
            opened = stored_prompts(session, self.sources.store, dataset, self.limits, limited=self.limited)
        if opened is not None:
            write_prompts(session, dataset, opened, self.limits.annotations, limited=self.limited)

    def _placed(self, path: str) -> PlacedPrompts:
        opened = partial(
            open_place,
            sources=self.sources,
            profile=self.profile,
            max_bytes=self.limits.file_bytes,
            not_found=PromptsNotFound,
            too_large=PromptsTooLarge,
        )
        return PlacedPrompts(path, self.format, self.sources.roots, self.limits, opened)
