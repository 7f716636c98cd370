"""Fair sharing of a pool: weighted turns of its tenants, and within a tenant of its jobs.

This is start-time fair queuing (P. Goyal, H. M. Vin and H. Cheng, SIGCOMM 1996), with a claim as a packet and its
images as the length. A claim of a tenant begins at the end of its last one, or at the pool's clock if that is later; it
ends images / weight later. The tenant whose next claim would begin first has the next turn, and the pool's clock moves
to that beginning. So a tenant that had no work for a while starts level with the others: it has saved nothing up, and
it owes nothing. The jobs of a tenant share its turns in the same way, by the clock of the tenant.

Ends are computed from the current weights, so a change of a weight or priority counts from the next claim.

A claim locks the pool's row before any other row, so that the claims of a pool are in one order.
"""

from __future__ import annotations

import uuid

from sqlalchemy import ColumnElement, Float, cast, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import ScalarSelect

from samfleet.db.models import Job, JobTurn, PoolTurn, Run, RunState, Shard, ShardState, Tenant, TenantTurn

DEFAULT_PRIORITY = 5
HIGHEST_PRIORITY = 9


def lock_pool(session: Session, shard_id: int) -> str | None:
    """Lock the turns of the shard's pool and return its name; None if the shard is gone."""
    pool = session.scalars(select(Run.pool).join(Shard, Shard.run_id == Run.id).where(Shard.id == shard_id))
    name = pool.one_or_none()
    if name is not None:
        row = select(PoolTurn.pool).where(PoolTurn.pool == name).with_for_update()
        if session.scalars(row).one_or_none() is None:  # the pool's first claim
            session.execute(insert(PoolTurn).values(pool=name).on_conflict_do_nothing())
            session.scalars(row).one()
    return name


def fairest_job(pool: str, *, with_suspects: bool) -> ScalarSelect[uuid.UUID]:
    """Return a query for the job of the pool that has the next turn, among those with queued shards.

    It reads one index entry per run that is running in the pool. Ties go to the older tenant, then to the older job.
    """
    queued = exists().where(
        Shard.run_id == Run.id, Shard.state == ShardState.QUEUED, or_(~Shard.suspect, literal(with_suspects))
    )
    return (
        select(Job.id)
        .select_from(Run)
        .join(Job, Job.id == Run.job_id)
        .join(Tenant, Tenant.id == Job.tenant_id)
        .join(PoolTurn, PoolTurn.pool == Run.pool)
        .outerjoin(TenantTurn, (TenantTurn.tenant_id == Tenant.id) & (TenantTurn.pool == Run.pool))
        .outerjoin(JobTurn, (JobTurn.job_id == Job.id) & (JobTurn.pool == Run.pool))
        .where(Run.pool == pool, Run.state == RunState.RUNNING, queued)
        .order_by(_tenant_begins(), Tenant.created_at, Tenant.id, _job_begins(), Job.created_at, Job.id)
        .limit(1)
        .scalar_subquery()
    )


def charge(session: Session, shard: Shard, *, in_turn: bool) -> None:
    """Charge the images of a claimed shard to its tenant and job. Needs `lock_pool`.

    Clocks move only with a claim `in_turn`: another one may begin later than those that wait.
    """
    row = session.execute(
        select(Run.pool, Run.job_id, Job.tenant_id, _tenant_begins().label("tenant"), _job_begins().label("job"))
        .join(Job, Job.id == Run.job_id)
        .join(Tenant, Tenant.id == Job.tenant_id)
        .join(PoolTurn, PoolTurn.pool == Run.pool)
        .outerjoin(TenantTurn, (TenantTurn.tenant_id == Tenant.id) & (TenantTurn.pool == Run.pool))
        .outerjoin(JobTurn, (JobTurn.job_id == Job.id) & (JobTurn.pool == Run.pool))
        .where(Run.id == shard.run_id)
    ).one()
    images = images_of(shard)
    of_tenant = {"began": row.tenant, "images": images, **({"clock": row.job} if in_turn else {})}
    of_job = {"began": row.job, "images": images}
    session.execute(
        insert(TenantTurn)
        .values(tenant_id=row.tenant_id, pool=row.pool, **of_tenant)
        .on_conflict_do_update(index_elements=["tenant_id", "pool"], set_=of_tenant)
    )
    session.execute(
        insert(JobTurn)
        .values(job_id=row.job_id, pool=row.pool, **of_job)
        .on_conflict_do_update(index_elements=["job_id", "pool"], set_=of_job)
    )
    if in_turn:
        session.execute(update(PoolTurn).where(PoolTurn.pool == row.pool).values(clock=row.tenant))


def refund(session: Session, shard: Shard, pool: str, job_id: uuid.UUID) -> None:
    """Take back the charge of a claim that did no work. Needs `lock_pool`."""
    images = images_of(shard)
    tenant = select(Job.tenant_id).where(Job.id == job_id).scalar_subquery()
    for table, own in ((TenantTurn, TenantTurn.tenant_id == tenant), (JobTurn, JobTurn.job_id == job_id)):
        session.execute(update(table).where(own, table.pool == pool).values(images=table.images - images))


def images_of(shard: Shard) -> int:
    """Return the number of images that a claim of the shard computes: of a retried one those that failed."""
    return shard.last_position - shard.first_position + 1 if shard.part_key is None else shard.failed


def job_weight() -> ColumnElement[float]:
    """Return 2 ** (priority - 5): each step of the priority doubles a job's share of its tenant's turns."""
    return func.power(literal(2.0), cast(Job.priority - DEFAULT_PRIORITY, Float))


def _tenant_begins() -> ColumnElement[float]:
    """Return the virtual time at which the tenant's next claim begins."""
    return func.greatest(TenantTurn.began + TenantTurn.images / Tenant.weight, PoolTurn.clock)  # ignores a null


def _job_begins() -> ColumnElement[float]:
    clock = func.coalesce(TenantTurn.clock, 0.0)
    return func.greatest(JobTurn.began + JobTurn.images / job_weight(), clock)
