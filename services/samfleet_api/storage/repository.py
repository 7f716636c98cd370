"""SQL queries for storage use. They add counters of datasets and runs, and the sizes of uploaded contents, which
datasets share. They read no image rows.

The counters change in the transactions that refer to objects, so they are always current. Objects that no row refers to
are not counted: those of killed workers and interrupted uploads, until the clean-up deletes them.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, case, func, literal, select, union_all
from sqlalchemy.orm import Session

from samfleet.db.models import Dataset, DatasetState, Deleted, Export, Job, Run, RunPicture, StoredContent, Tenant


class Use(NamedTuple):
    bytes: int = 0
    objects: int = 0
    rows: int = 0


NOTHING = Use()


@dataclass(frozen=True, slots=True)
class TenantUse:
    """Use by kind of object: uploads of datasets; results, pictures and exports of jobs."""

    uploads: Use = NOTHING
    results: Use = NOTHING
    pictures: Use = NOTHING
    exports: Use = NOTHING


@dataclass(frozen=True, slots=True)
class LargestUse:
    kind: Deleted
    id: uuid.UUID
    name: str | None
    use: Use


_SEALED = Dataset.state == DatasetState.SEALED
_COUNTS = (Dataset.annotation_count, Dataset.detection_count, Dataset.prompted_image_count)
_DATASET_ROWS = Dataset.image_count + case((_SEALED, sum(func.coalesce(count, 0) for count in _COUNTS)), else_=0)
_UNSHARED = (Dataset.stored_bytes - Dataset.content_bytes, Dataset.stored_objects - Dataset.content_objects)
_RESULT_ROWS = Run.succeeded + Run.failed
_EXPORT = (Export.bytes, case((Export.key.is_not(None), 1), else_=0), literal(0))


def of_tenants(session: Session, tenant_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, TenantUse]:
    """Return the use of each of these tenants, deleted jobs and datasets included until they are removed."""
    uploads = (
        select(Dataset.tenant_id, *_sums(*_UNSHARED, _DATASET_ROWS))
        .where(Dataset.tenant_id.in_(tenant_ids))
        .group_by(Dataset.tenant_id)
    )
    contents = (
        select(StoredContent.tenant_id, *_sums(StoredContent.size_bytes, literal(1), literal(0)))
        .where(StoredContent.tenant_id.in_(tenant_ids))
        .group_by(StoredContent.tenant_id)
    )
    shared = _by_owner(session, contents)
    results = (
        select(Job.tenant_id, *_sums(Run.part_bytes, Run.parts, _RESULT_ROWS))
        .join(Run, Run.job_id == Job.id)
        .where(Job.tenant_id.in_(tenant_ids))
        .group_by(Job.tenant_id)
    )
    pictures = (
        select(Job.tenant_id, *_sums(RunPicture.bytes, literal(1), literal(0)))
        .join(Run, Run.job_id == Job.id)
        .join(RunPicture, RunPicture.run_id == Run.id)
        .where(Job.tenant_id.in_(tenant_ids))
        .group_by(Job.tenant_id)
    )
    exports = (
        select(Job.tenant_id, *_sums(*_EXPORT))
        .join(Run, Run.job_id == Job.id)
        .join(Export, Export.run_id == Run.id)
        .where(Job.tenant_id.in_(tenant_ids))
        .group_by(Job.tenant_id)
    )
    found = [_by_owner(session, query) for query in (uploads, results, pictures, exports)]
    uses = {one: TenantUse(*(uses.get(one, NOTHING) for uses in found)) for one in tenant_ids}
    return {one: replace(use, uploads=_sum(use.uploads, shared.get(one, NOTHING))) for one, use in uses.items()}


def of_job(session: Session, job_id: uuid.UUID) -> TenantUse:
    """Return the use of a job; it has no uploads, because those belong to its dataset."""
    results = select(literal(0), *_sums(Run.part_bytes, Run.parts, _RESULT_ROWS)).where(Run.job_id == job_id)
    pictures = (
        select(literal(0), *_sums(RunPicture.bytes, literal(1), literal(0)))
        .join(Run, Run.id == RunPicture.run_id)
        .where(Run.job_id == job_id)
    )
    exports = select(literal(0), *_sums(*_EXPORT)).join(Run, Run.id == Export.run_id).where(Run.job_id == job_id)
    return TenantUse(NOTHING, *(_by_owner(session, query)[0] for query in (results, pictures, exports)))


def largest(session: Session, tenant_id: uuid.UUID, limit: int) -> Sequence[LargestUse]:
    """Return the jobs and datasets with the most bytes of uploads and results, without deleted ones.

    A dataset counts all its uploads, also those that other datasets share.
    """
    jobs = (
        select(
            literal(Deleted.JOB.value).label("kind"),
            Job.id,
            Job.name,
            *_sums(Run.part_bytes, Run.parts, _RESULT_ROWS),
        )
        .join(Run, Run.job_id == Job.id)
        .where(Job.tenant_id == tenant_id, Job.deleted_at.is_(None))
        .group_by(Job.id)
    )
    datasets = select(
        literal(Deleted.DATASET.value), Dataset.id, Dataset.name, Dataset.stored_bytes, Dataset.stored_objects,
        _DATASET_ROWS,
    ).where(Dataset.tenant_id == tenant_id, Dataset.deleted_at.is_(None))  # fmt: skip
    both = union_all(jobs, datasets).subquery()
    kind, id_, name, bytes_, objects, rows = both.c
    query = select(kind, id_, name, bytes_, objects, rows).order_by(bytes_.desc(), rows.desc(), id_).limit(limit)
    return [LargestUse(Deleted(row[0]), row[1], row[2], _use(row[3:])) for row in session.execute(query)]


def tenants(session: Session, *, after: str | None, limit: int) -> Sequence[Tenant]:
    """Return tenants in the order of their names, those after the name `after`."""
    query = select(Tenant)
    if after is not None:
        query = query.where(Tenant.name > after)
    return session.scalars(query.order_by(Tenant.name).limit(limit)).all()


def name_of(session: Session, tenant_id: uuid.UUID) -> str:
    return session.scalars(select(Tenant.name).where(Tenant.id == tenant_id)).one()


def _sums(*columns: Any) -> list[ColumnElement[Any]]:
    return [func.coalesce(func.sum(column), 0) for column in columns]


def _by_owner(session: Session, query: Select[Any]) -> dict[Any, Use]:
    return {owner: _use(sums) for owner, *sums in session.execute(query)}


def _sum(one: Use, other: Use) -> Use:
    return Use(one.bytes + other.bytes, one.objects + other.objects, one.rows + other.rows)


def _use(sums: Sequence[int | Decimal]) -> Use:
    return Use(*map(int, sums))
