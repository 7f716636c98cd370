"""The prompts of a dataset as a prompts file, whatever format they were given in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import IO, cast

from sqlalchemy.orm import Session

from samfleet.datasets import repository
from samfleet.datasets.prompt_formats.uploaded import LabelFormat, Labels, converted
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
    return partial(convert_labels, opened, form, names_of(session, dataset), limits, limited=limited)


def names_of(session: Session, dataset: Dataset) -> Sequence[str]:
    return [name for _, name in repository.names_in_order(session, dataset.id)]


@contextmanager
def convert_labels(
    opened: Callable[[], AbstractContextManager[Labels]],
    form: LabelFormat,
    names: Sequence[str],
    limits: InputLimits,
    *,
    limited: bool,
) -> Iterator[IO[bytes]]:
    """Yield the prompts file of labels for the images of these names, as `stored_prompts` describes."""
    with (
        opened() as content,
        converted(content, form, names, limits.annotations, limits.file_bytes, limited=limited) as lines,
    ):
        yield lines
