"""Datasets whose upload was interrupted, found by id or name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from samfleet.client.routes import datasets
from samfleet.client.schemas import Dataset
from samfleet.client.steps import Steps, ask
from samfleet.client.uploads import PARALLEL
from samfleet.datasets.left_out import LeftOut

_ID = re.compile(r"[0-9a-f]{6,8}|[0-9a-f]{8}-[0-9a-f-]*")  # whole or shortened


@dataclass(frozen=True, slots=True)
class Sending:
    """Options of an upload.

    `resume` is the id or name of a dataset whose upload was interrupted (`open_upload`), `parallel` the most requests
    at a time, and `described` has the labels and notes of a new dataset. `on_opened` gets the dataset before anything
    is sent.
    """

    resume: str | None = None
    parallel: int = PARALLEL
    described: Mapping[str, Any] = field(default_factory=dict)
    on_opened: Callable[[Dataset], None] = lambda _dataset: None


def opened(
    name: str | None, left_out: Sequence[LeftOut], sending: Sending, frames: Mapping[str, Any]
) -> Steps[Dataset]:
    """Return the dataset to resume, or a new one with this choice of frames.

    A name that no open dataset has becomes that of the new one.
    """
    dataset = None
    if sending.resume is not None:
        dataset, name = (yield from open_upload(sending.resume)), sending.resume
    if dataset is None:
        making = datasets.create_upload_dataset(name=name, left_out=left_out, **sending.described, **frames)
        dataset = yield from ask(making)
    sending.on_opened(dataset)
    return dataset


def open_upload(wanted: str) -> Steps[Dataset | None]:
    """Return the newest open dataset of uploads with this name, or else the dataset with this id, in any state.

    None for a name that no open dataset has. Raises `ApiError` if it can only be an id, and no dataset has it.
    """
    pages, cursor = datasets.datasets(q=wanted), None
    while True:
        page = yield from ask(pages.page(cursor))
        for dataset in map(pages.parse, page["items"]):
            if (dataset.name, dataset.source, dataset.state) == (wanted, "upload", "open") and dataset.base_id is None:
                return dataset
        cursor = page["next"]
        if cursor is None:
            break
    return (yield from ask(datasets.dataset(wanted))) if _ID.fullmatch(wanted) else None
