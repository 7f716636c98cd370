from __future__ import annotations

import enum
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base, HasCreatedAt, HasId, HasLabels, label_index, text_enum

# Indexed keys by which lists of jobs are sorted. They are never null, so that rows can be compared with a cursor.
NAME_KEY = "\"left\"(lower(coalesce(name, '')), 32)"  # names that begin alike are ordered by id
DURATION_KEY = "coalesce(EXTRACT(epoch FROM finished_at - started_at), -1)"  # seconds; -1: open or never started
END_KEY = "coalesce(finished_at, '9999-01-01 00:00:00+00'::timestamptz)"  # open jobs end last


def _sort_index(name: str, key: str) -> Index:
    kept = text("deleted_at IS NULL")
    return Index(f"ix_jobs_sort_{name}", "tenant_id", text(key), "id", postgresql_where=kept)


class JobState(enum.StrEnum):
    """`samfleet.jobs.states` has the allowed transitions."""

    QUEUED = "queued"  # committed, not yet planned
    RUNNING = "running"  # shards exist
    PAUSED = "paused"  # nothing new is dispatched; claimed shards finish
    COMPLETED = "completed"  # every image of every run succeeded
    COMPLETED_WITH_ERRORS = "completed_with_errors"  # results exist, but images or whole runs failed
    FAILED = "failed"  # no result could be completed, or too many images failed; `error_code` says why
    CANCELLED = "cancelled"


class RunState(enum.StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"  # from running; a run that is not planned stays queued while its job is paused
    FINISHING = "finishing"  # every image has its row; exports are being written
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ShardState(enum.StrEnum):
    PENDING = "pending"  # waits for a free slot in flight
    QUEUED = "queued"  # a task was sent for it
    LEASED = "leased"  # a worker holds it until `lease_expires_at`
    DONE = "done"  # its image results are recorded
    CANCELLED = "cancelled"


class Job(HasId, HasCreatedAt, HasLabels, Base):
    """A job of a tenant. `deleted_at` hides it from the tenant; its rows and objects are removed later.

    With `reuse_results`, results of earlier runs are taken over (`samfleet.jobs.reuse`). `exports` are {format,
    options, keep_days} to build of each run when it is completed (`samfleet.exports.of_jobs`).
    """

    __tablename__ = "jobs"

    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id"), index=True)
    parent_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))  # rerun of
    name: Mapped[str | None] = mapped_column(String(200))
    task: Mapped[dict[str, Any]] = mapped_column(JSONB)  # as submitted, validated
    state: Mapped[JobState] = mapped_column(text_enum(JobState, "state"), default=JobState.QUEUED)
    image_count: Mapped[int]
    max_failure_rate: Mapped[float] = mapped_column(default=1.0)
    evaluate: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    reuse_results: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    exports: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    keep_days: Mapped[int | None]  # after its end; None: the server's default
    priority: Mapped[int] = mapped_column(SmallInteger, default=5, server_default=text("5"))  # 0 to 9
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    request_sha256: Mapped[str] = mapped_column(String(64))
    correlation_id: Mapped[str | None] = mapped_column(String(128))  # of the submitting request, for the logs
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None]
    sent_at: Mapped[datetime] = mapped_column(server_default=func.now())  # the last `jobs.plan`
    plan_failures: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("tenant_id", "idempotency_key"),
        label_index("jobs"),
        CheckConstraint("priority BETWEEN 0 AND 9", name="priority"),
        Index("ix_jobs_tenant_page", tenant_id, "created_at", "id"),
        _sort_index("name", NAME_KEY),
        _sort_index("state", "state"),
        _sort_index("duration", DURATION_KEY),
        _sort_index("end", END_KEY),
        Index("ix_jobs_parent", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index("ix_jobs_kept", "finished_at", postgresql_where=text("finished_at IS NOT NULL AND deleted_at IS NULL")),
        Index("ix_jobs_deleted", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
        Index("ix_jobs_tenant_open", tenant_id, postgresql_where=text("state IN ('queued', 'running', 'paused')")),
        Index("ix_jobs_open", state, postgresql_where=text("state IN ('queued', 'running')")),
    )


class JobEvent(Base):
    """Append-only log of every change of state of a job or one of its runs: who, when and why.

    A change of other fields, such as the job's name, has equal states. `actor` is `key:<id of the key>` or
    `system:<task>`; `detail` has the reason. The database refuses changes, and deletions except those of a deleted job.
    """

    __tablename__ = "job_events"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    run_id: Mapped[uuid.UUID | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    from_state: Mapped[str | None] = mapped_column(String(32))
    to_state: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(String(100), default="system", server_default=text("'system'"))
    detail: Mapped[str | None]


class Run(HasId, HasCreatedAt, Base):
    """One variant on one pool in one job. Counters change only in the transaction that records a shard.

    `gates` has, by hardware id, the execution that served the run there and the figures of the gate that admitted it;
    plain fp32 has none. `provenance` is the provenance in the variant's record at submission, plus `checkpoint_sha256`:
    the hashes of the weights that computed results. `waiting_since` is set while the run waits for memory for its
    variant in its pool's Triton, `turn_since` when such a wait ended (`samfleet.jobs.variant_turns`).
    `reused` of the `succeeded` images were taken over from runs with the same `model_sha256`, the hash of the variant's
    record and the code; it is None in runs of earlier releases.
    `exports_due` is set until the job's exports of this run are requested.
    The `stalled_` columns say why the run makes no progress, and since when (`samfleet.jobs.stall`).
    """

    __tablename__ = "runs"

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    variant: Mapped[str] = mapped_column(String(100))
    pool: Mapped[str] = mapped_column(String(100))
    task: Mapped[dict[str, Any]] = mapped_column(JSONB)  # with the variant's defaults filled in
    state: Mapped[RunState] = mapped_column(text_enum(RunState, "state"), default=RunState.QUEUED)
    total: Mapped[int]
    succeeded: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    reused: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    masks: Mapped[int] = mapped_column(BigInteger, default=0)
    parts: Mapped[int] = mapped_column(default=0, server_default=text("0"))  # objects that its shards refer to
    part_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))  # of these
    provenance: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=text("'{}'"))
    model_sha256: Mapped[str | None] = mapped_column(String(64))
    exports_due: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    gates: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=text("'{}'"))
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None]
    quality_error_code: Mapped[str | None] = mapped_column(String(64))  # why figures of `run_quality` are missing
    quality_error_message: Mapped[str | None]
    evaluations_begun: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    sent_at: Mapped[datetime | None]  # the last `jobs.finish`, or the last heartbeat of that task
    retries: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    finish_failures: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    waiting_since: Mapped[datetime | None]
    turn_since: Mapped[datetime | None]
    stalled_code: Mapped[str | None] = mapped_column(String(64))
    stalled_message: Mapped[str | None]
    stalled_since: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    tidied_at: Mapped[datetime | None]  # when its unreferenced parts were deleted

    __table_args__ = (
        UniqueConstraint("job_id", "variant", "pool"),
        CheckConstraint("succeeded >= 0 AND failed >= 0 AND succeeded + failed <= total", name="counts"),
        Index("ix_runs_open", state, postgresql_where=text("state IN ('queued', 'running', 'finishing')")),
        Index("ix_runs_running", "pool", postgresql_where=text("state = 'running'")),  # those that share a pool
        Index("ix_runs_exports_due", "finished_at", postgresql_where=text("exports_due AND state = 'completed'")),
        Index("ix_runs_untidy", "finished_at", postgresql_where=text("finished_at IS NOT NULL AND tidied_at IS NULL")),
    )


class Shard(Base):
    """Images `first_position` to `last_position` (inclusive) of a run's dataset.

    `token` is the fencing token: it grows with every claim, and only the holder of the newest one may record.
    `progress` counts images that the holder has finished but not yet recorded; it is only for display.
    `failed` counts the failed images of its results. A shard that is retried is open again and keeps `part_key`,
    because its results stay until the next ones are recorded; `first_claimed_at` has its claim before the first retry.
    `queued_at` is when the shard got its slot in flight, `sent_at` when a task was last sent for it.
    """

    __tablename__ = "shards"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    index: Mapped[int]
    first_position: Mapped[int]
    last_position: Mapped[int]
    state: Mapped[ShardState] = mapped_column(text_enum(ShardState, "state"), default=ShardState.PENDING)
    token: Mapped[int] = mapped_column(BigInteger, default=0)
    attempts: Mapped[int] = mapped_column(default=0)  # claims that failed because of the shard
    waits: Mapped[int] = mapped_column(default=0, server_default=text("0"))  # claims that failed because of a server
    suspect: Mapped[bool] = mapped_column(default=False, server_default=text("false"))  # lost a lease, so it runs alone
    progress: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    worker: Mapped[str | None] = mapped_column(String(200))
    not_before: Mapped[datetime | None]  # back-off after a failed attempt
    queued_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    first_claimed_at: Mapped[datetime | None]
    lease_expires_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    part_key: Mapped[str | None]
    part_bytes: Mapped[int | None] = mapped_column(BigInteger)
    last_error: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint("run_id", "index"),
        CheckConstraint("first_position <= last_position", name="positions"),
        CheckConstraint("(state = 'leased') = (lease_expires_at IS NOT NULL)", name="lease"),
        CheckConstraint("state <> 'done' OR part_key IS NOT NULL", name="part"),
        Index("ix_shards_open", state, "lease_expires_at", postgresql_where=text("state IN ('queued', 'leased')")),
        Index(
            "ix_shards_in_flight", run_id, "state", "queued_at", postgresql_where=text("state IN ('queued', 'leased')")
        ),
        Index("ix_shards_pending", run_id, "index", postgresql_where=text("state = 'pending'")),
        Index("ix_shards_failures", run_id, "index", postgresql_where=text("failed > 0")),
        Index("ix_shards_unrecorded", run_id, "index", postgresql_where=text("part_key IS NULL")),
        Index("ix_shards_attempts", run_id, "index", postgresql_where=text("attempts > 0")),
        Index("ix_shards_cancelled", run_id, postgresql_where=text("state = 'cancelled'")),
        Index(  # the first claim of a run
            "ix_shards_claims",
            run_id,
            text("coalesce(first_claimed_at, claimed_at)"),
            postgresql_where=text("claimed_at IS NOT NULL"),
        ),
        Index(  # the throughput of a run, without its other columns
            "ix_shards_records",
            run_id,
            "finished_at",
            postgresql_include=["first_position", "last_position", "failed"],
            postgresql_where=text("part_key IS NOT NULL"),
        ),
        Index(  # open shards with results
            "ix_shards_retried",
            run_id,
            postgresql_include=["failed"],
            postgresql_where=text("part_key IS NOT NULL AND state IN ('pending', 'queued', 'leased')"),
        ),
    )
