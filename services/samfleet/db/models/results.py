from __future__ import annotations

import enum
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base, HasCreatedAt, HasId, text_enum

# Figures of an image that lists are sorted by. Queries use these expressions as they are, or no index is used: without
# parameters, because a prepared statement's plan does not know their values.
IMAGE_MS_SQL = (
    "(coalesce(fetch_ms, 0) + coalesce(preprocess_ms, 0) + coalesce(encode_ms, 0) + coalesce(decode_ms, 0)"
    " + coalesce(postprocess_ms, 0) + coalesce(store_ms, 0))"
)
IOU_SQL = "(quality_iou_sum / nullif(quality_instances, 0))"
SUCCEEDED_SQL = "outcome = 'succeeded'"
TIMED_SQL = "outcome = 'succeeded' AND reused_from IS NULL"  # a result that was taken over has no times
SCORED_SQL = "predicted_iou IS NOT NULL"
COMPARED_SQL = "quality_instances > 0"


class Outcome(enum.StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Hardware(HasId, Base):
    """A hardware fingerprint measured in Triton; equal facts share one row."""

    __tablename__ = "hardware"

    fingerprint_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    device_kind: Mapped[str] = mapped_column(String(32))
    device_name: Mapped[str] = mapped_column(String(200))
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    first_seen_at: Mapped[datetime]

    @property
    def precision(self) -> str:
        return str(self.facts.get("precision", "fp32"))

    @property
    def compilation(self) -> str:
        return str(self.facts.get("compilation", "none"))


class ImageResult(HasCreatedAt, Base):
    """Result of an image in a run: the outcome, the place of its masks, and the time of each stage.

    There is exactly one row per (run, image). Times are milliseconds: `<stage>_ms` is this image's share,
    `<stage>_batch_ms` the time of the whole batch. Queue time has two parts: `queue_shard_ms` from the sending of the
    shard's task to its claim, `queue_triton_ms` the round trip to Triton minus its execution; `round_trip_ms` has both.
    `energy_j` is this image's share of the joules used by the whole device. `other_load` is the share of the machine's
    CPU time that other processes used, 0 to 1. The masks are in part `part_key` on line `part_line`, from 0. A result
    that was taken over names the run that computed it as `reused_from`, which may be removed, and has no times.
    `predicted_iou` is the mean of the masks' predicted IoU; None without masks, and for results of older versions.

    Images and shards are deleted only after their results. They have no foreign keys: deleting an image or a shard
    would scan all results, or need an index that no query uses.
    """

    __tablename__ = "image_results"

    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    dataset_image_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    image_id: Mapped[int] = mapped_column(BigInteger)
    shard_id: Mapped[int] = mapped_column(BigInteger)
    outcome: Mapped[Outcome] = mapped_column(text_enum(Outcome, "outcome"))
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None]
    error_stage: Mapped[str | None] = mapped_column(String(32))
    part_key: Mapped[str]
    part_line: Mapped[int]
    mask_count: Mapped[int] = mapped_column(default=0)
    predicted_iou: Mapped[float | None] = mapped_column()
    width: Mapped[int | None]
    height: Mapped[int | None]
    claimed_at: Mapped[datetime | None]  # of its shard, set once the shard is retried; None: the shard has it
    hardware_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("hardware.id"))
    checkpoint_sha256: Mapped[str | None] = mapped_column(String(64))
    batch_size: Mapped[int | None]
    clock: Mapped[str | None] = mapped_column(String(16))
    warmup: Mapped[bool | None]
    peak_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    peak_reserved_bytes: Mapped[int | None] = mapped_column(BigInteger)  # None: not on a GPU
    energy_j: Mapped[float | None]  # None: the device has no counter
    other_load: Mapped[float | None]  # None: not measured
    queue_shard_ms: Mapped[float | None]
    queue_triton_ms: Mapped[float | None]
    round_trip_ms: Mapped[float | None]  # None: recorded by an older version
    fetch_ms: Mapped[float | None]
    preprocess_ms: Mapped[float | None]
    preprocess_batch_ms: Mapped[float | None]
    encode_ms: Mapped[float | None]
    encode_batch_ms: Mapped[float | None]
    decode_ms: Mapped[float | None]
    decode_batch_ms: Mapped[float | None]
    postprocess_ms: Mapped[float | None]
    postprocess_batch_ms: Mapped[float | None]
    store_ms: Mapped[float | None]
    quality_instances: Mapped[int | None]  # annotated instances that were prompted; None: nothing to compare with
    quality_iou_sum: Mapped[float | None]
    reused_from: Mapped[uuid.UUID | None]

    __table_args__ = (
        CheckConstraint("(outcome = 'failed') = (error_code IS NOT NULL)", name="error"),
        Index(  # with what the failures are counted by
            "ix_image_results_failures",
            run_id,
            image_id,
            postgresql_include=["error_code", "error_stage"],
            postgresql_where=(outcome == Outcome.FAILED.value),
        ),
        Index("ix_image_results_image", run_id, image_id, unique=True),
        Index("ix_image_results_masks", run_id, mask_count, dataset_image_id, postgresql_where=text(SUCCEEDED_SQL)),
        Index("ix_image_results_time", run_id, text(IMAGE_MS_SQL), dataset_image_id, postgresql_where=text(TIMED_SQL)),
        Index("ix_image_results_score", run_id, predicted_iou, dataset_image_id, postgresql_where=text(SCORED_SQL)),
        Index("ix_image_results_iou", run_id, text(IOU_SQL), dataset_image_id, postgresql_where=text(COMPARED_SQL)),
    )


class WorkerHeartbeat(Base):
    """The last heartbeat of each worker process, with the state of its pool's Triton servers."""

    __tablename__ = "worker_heartbeats"

    worker: Mapped[str] = mapped_column(String(200), primary_key=True)
    pool: Mapped[str] = mapped_column(String(100), index=True)
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    triton_ready: Mapped[bool]
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)  # per server: address, ready, version, variants, devices
