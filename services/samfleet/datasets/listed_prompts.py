"""Prompts files of datasets that a task lists: buckets, manifests and archives.

A request names the file by `prompts_path`, or it was uploaded before the manifest or archive.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from samfleet.datasets.manifests.files import Sources, open_place
from samfleet.datasets.prompt_lines import PromptsTooLarge
from samfleet.datasets.prompts import Opener, PromptsNotFound, count_prompts, write_prompts
from samfleet.datasets.service import InputLimits
from samfleet.datasets.stored_prompts import stored_prompts
from samfleet.db.models import Dataset


@dataclass(frozen=True, slots=True)
class ListedPrompts:
    """The places where a listed dataset may have its prompts.

    `path` is a path on the server or an s3:// address, and `profile` a name of SAMFLEET_S3_SOURCES. A `limited` dataset
    has only some of the images that its source has, so lines of the others are skipped.
    """

    path: str | None
    profile: str | None
    sources: Sources
    limits: InputLimits
    limited: bool

    def check(self) -> None:
        """Validate the file at `path` before the images are listed, which may take long."""
        if self.path is not None:
            with self._opener(self.path)() as file:
                count_prompts(file, self.limits.annotations)

    def write(self, session: Session, dataset: Dataset) -> None:
        """Write the prompts of a locked dataset that has its images; the file at `path` replaces an uploaded one."""
        session.flush()
        if self.path is not None:
            opened: Opener | None = self._opener(self.path)
        else:
            opened = stored_prompts(session, self.sources.store, dataset, self.limits, limited=self.limited)
        if opened is not None:
            write_prompts(session, dataset, opened, self.limits.annotations, limited=self.limited)

    def _opener(self, place: str) -> Opener:
        most = self.limits.file_bytes
        return partial(open_place, place, self.sources, self.profile, most, PromptsNotFound, PromptsTooLarge)
