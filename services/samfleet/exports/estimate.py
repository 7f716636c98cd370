"""Size of an export before it is built: exact if its file exists or all images fit the sample, else an estimate."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from samfleet.db.models import Dataset, Export, ExportState, Job, Run
from samfleet.db.session import read_only
from samfleet.errors import SamfleetError
from samfleet.exports.claim import provenance_of_run
from samfleet.exports.errors import RunNotEnded
from samfleet.exports.formats import FORMATS
from samfleet.exports.formats.base import ExportFormat, ExportOptions, ExportSource
from samfleet.exports.request import ExportRequest, require_format
from samfleet.exports.versions import parts_version
from samfleet.jobs.export import RunNotFound, recorded_parts
from samfleet.jobs.states import is_final
from samfleet.reviews.selection import Reviewed
from samfleet.reviews.versions import review_version
from samfleet.storage.jsonl import read_jsonl_zst
from samfleet.storage.store import ObjectStore

PARTS_READ = 3  # the first, the middle and the last
IMAGES_READ = 8  # of each
MASKS_READ = 800  # of each; an image with more is read alone


class _ImagesNeeded(Exception):
    """The format shows images, whose size is not known before they are drawn."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Size in bytes; None if the format shows images, which are not read, if it cannot hold these masks, or if the
    masks are selected by their review.

    `images` were recorded, and `sampled` of them were written to estimate the size. `sha256` is that of a file which an
    equal request has built.
    """

    bytes: int | None
    exact: bool
    images: int
    sampled: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class _Contents:
    parts: Sequence[str]
    images: int
    masks: int
    categories: Sequence[Mapping[str, Any]]
    provenance: Mapping[str, Any]
    built: tuple[int, str] | None  # bytes and hash of the file of an equal request


def estimate_export(
    engine: Engine, store: ObjectStore, tenant_id: uuid.UUID, run_id: uuid.UUID, request: ExportRequest
) -> Estimate:
    """Write a sample of the run's images in the format and scale its size by the numbers of masks and images.

    Raises `ExportFormatUnknown`, `RunNotFound`, `RunNotEnded`, and the format's error if all images are in the sample.
    """
    require_format(request.format)
    with read_only(engine) as session:
        contents = _contents(session, tenant_id, run_id, request)
    if contents.built is not None:
        return Estimate(contents.built[0], True, contents.images, 0, contents.built[1])
    if request.options.reviewed is not Reviewed.ALL:
        return Estimate(None, False, contents.images, 0)  # a sample does not say how many masks are selected
    rows = list(_sample(store, contents.parts))
    whole = len(rows) == contents.images
    try:
        size = _size(FORMATS[request.format], request.options, contents, rows)
        if not whole:
            size = _scaled(size, request, contents, rows)
    except _ImagesNeeded:
        return Estimate(None, False, contents.images, len(rows))
    except SamfleetError:
        if whole:
            raise
        return Estimate(None, False, contents.images, len(rows))  # others may be what the format can hold
    return Estimate(size, whole, contents.images, len(rows))


def _contents(session: Session, tenant_id: uuid.UUID, run_id: uuid.UUID, request: ExportRequest) -> _Contents:
    query = (
        select(Run, Dataset.categories)
        .join(Job, Job.id == Run.job_id)
        .join(Dataset, Dataset.id == Job.dataset_id)
        .where(Run.id == run_id, Job.tenant_id == tenant_id, Job.deleted_at.is_(None))
    )
    found = session.execute(query).one_or_none()
    if found is None:
        raise RunNotFound(f"run {run_id} does not exist; GET /v1/jobs/<id> names a job's runs")
    run, categories = found
    if not is_final(run.state):
        raise RunNotEnded(f"run {run_id} is {run.state.value}; export it when it has ended")
    parts = recorded_parts(session, run.id)
    digest = request.sha256(parts_version(parts), review_version(session, run.id))
    same = Export.run_id == run.id, Export.request_sha256 == digest, Export.state == ExportState.COMPLETED
    built = session.execute(select(Export.bytes, Export.sha256).where(*same)).one_or_none()
    return _Contents(
        parts,
        run.succeeded + run.failed,
        run.masks,
        categories or (),
        provenance_of_run(session, run),
        None if built is None else (built[0] or 0, built[1] or ""),
    )


def _sample(store: ObjectStore, parts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the first images of the first, the middle and the last part; of few parts, all."""
    chosen = dict.fromkeys((*parts[:1], *parts[len(parts) // 2 : len(parts) // 2 + 1], *parts[-1:]))
    for key in islice(chosen, PARTS_READ):
        masks = 0
        with closing(read_jsonl_zst(store, key)) as lines:  # type: ignore[type-var]  # it is a generator
            for row in islice(lines, IMAGES_READ):
                masks += len(row["masks"])
                yield row
                if masks > MASKS_READ:
                    break


def _size(form: ExportFormat, options: ExportOptions, contents: _Contents, rows: Iterable[Mapping[str, Any]]) -> int:
    source = ExportSource(lambda: iter(rows), contents.categories, contents.provenance, _no_image)
    return sum(map(len, form.write(source, options)))


def _scaled(size: int, request: ExportRequest, contents: _Contents, rows: Sequence[Mapping[str, Any]]) -> int:
    """Return the size for all masks. What half of the sample takes less is the size of the other half's masks: so what
    a file has once, and what it compresses better when there is more, does not grow with the run.
    """
    half = rows[: len(rows) // 2]
    rest = size - _size(FORMATS[request.format], request.options, contents, half)
    sampled, left = _weight(rows) - _weight(half), contents.masks + contents.images - _weight(rows)
    return size + round(rest * left / sampled)


def _weight(rows: Sequence[Mapping[str, Any]]) -> int:
    """Return the number of masks and images, both of which take bytes."""
    return sum(1 + len(row["masks"]) for row in rows)


def _no_image(_dataset_image_id: int) -> bytes:
    raise _ImagesNeeded
