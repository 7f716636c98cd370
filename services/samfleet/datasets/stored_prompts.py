"""The uploaded prompts of a dataset as a prompts file, whatever format they were uploaded in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, cast

from sqlalchemy.orm import Session

from samfleet.datasets import repository
from samfleet.datasets.prompt_formats.uploaded import LabelFormat, converted
from samfleet.datasets.prompts import Opener
from samfleet.datasets.service import InputLimits
from samfleet.db.models import Dataset
from samfleet.storage.store import ObjectStore


def stored_prompts(
    session: Session, store: ObjectStore, dataset: Dataset, limits: InputLimits, *, limited: bool = False
) -> Opener | None:
    """Return how to open the prompts of a dataset whose images are written; None without prompts.

    Labels of another tool are matched to the images when the file is opened. Those of other images are skipped if the
    dataset is `limited` to some of the images of its source.
    """
    if dataset.prompts_key is None:
        return None
    opened = partial(store.open, dataset.prompts_key)
    if dataset.prompts_format is None:
        return opened
    form = cast("LabelFormat", dataset.prompts_format)
    names = [name for _, name in repository.names_in_order(session, dataset.id)]
    return partial(_converted, opened, form, names, limits, limited=limited)


@contextmanager
def _converted(
    opened: Opener, form: LabelFormat, names: list[str], limits: InputLimits, *, limited: bool
) -> Iterator[IO[bytes]]:
    with (
        opened() as content,
        converted(content, form, names, limits.annotations, limits.file_bytes, limited=limited) as lines,
    ):
        yield lines
