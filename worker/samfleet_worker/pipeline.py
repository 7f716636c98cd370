"""One shard, from its claim to its record.

claim, commit · fetch and infer with no transaction open · one part file · record, commit. A failure on the way has one
of three results: the image's row has the error, the shard is released, or the run fails.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import timedelta
from functools import partial

from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from samfleet.db.session import transaction
from samfleet.jobs.claim import (
    ClaimedShard,
    LeaseLost,
    claim,
    fail_claimed_run,
    hand_back,
    must_run_alone,
    release,
    wait_for_room,
)
from samfleet.jobs.outcomes import ImageOutcome
from samfleet.jobs.parts import part_key, part_rows
from samfleet.jobs.queue import TaskName, wake_after_commit
from samfleet.jobs.record import record
from samfleet.jobs.reuse import ReusedImage, current_weights, shard_rows, take_over
from samfleet.jobs.stall import Reason
from samfleet.jobs.variant_turns import begin_waiting, fairest_shard
from samfleet.logging import get_logger
from samfleet.storage.jsonl import write_jsonl_zst
from samfleet.tracing import span
from samfleet.variants.catalogue import get_variant
from samfleet_worker.bootstrap import Services
from samfleet_worker.database import when_database_answers
from samfleet_worker.image_step import ImageStep
from samfleet_worker.model_loading import admit_shard
from samfleet_worker.renewal import LeaseKeeper, WorkerStopping
from samfleet_worker.retry import FailRun, TryAgain, decide
from samfleet_worker.shard_metrics import ShardOutcome, count_recorded, watched_shard
from samfleet_worker.triton.errors import VariantWaits

log = get_logger(__name__)

ROOM_RETRY = timedelta(seconds=2)  # a try costs a few milliseconds and counts no attempt


def segment_shard(services: Services, shard_id: int) -> None:
    """Process the shard, or one of a job whose turn it is (`samfleet.jobs.variant_turns.fairest_shard`).

    A message whose work is already done has no effect.
    """
    with transaction(services.engine) as session:
        shard_id = fairest_shard(session, shard_id)
        alone = must_run_alone(session, shard_id)
    with services.company.joined(alone=alone, stopping=services.stopping) as joined:
        if joined:
            _claim_and_carry_out(services, shard_id, alone=alone)


def _claim_and_carry_out(services: Services, shard_id: int, *, alone: bool) -> None:
    with transaction(services.engine) as session:
        if not alone:  # others may have been queued or taken meanwhile
            shard_id = fairest_shard(session, shard_id, with_suspects=False)
        claimed = claim(session, shard_id, services.worker, services.settings.lease, alone=alone)
    if claimed is None:
        log.debug("shard.not_available", shard_id=shard_id)
        return
    ids = {"job_id": str(claimed.job_id), "run_id": str(claimed.run_id), "shard_id": shard_id}
    with bound_contextvars(**ids, shard=claimed.index), watched_shard(claimed) as watched:
        watched.outcome = _process(services, claimed)


def _process(services: Services, claimed: ClaimedShard) -> ShardOutcome:
    try:
        _carry_out(services, claimed)
    except LeaseLost:
        log.info("shard.lost", token=claimed.token)
        return "lost"
    except WorkerStopping:
        _hand_back(services, claimed)
        return "handed_back"
    except VariantWaits as error:
        _wait_for_room(services, claimed, error)
        return "waited_for_room"
    except Exception as error:  # noqa: BLE001 - `decide` maps every error to a decision
        decision = decide(error, claimed.attempts, claimed.waits)
        if isinstance(decision, FailRun):
            _fail(services, claimed, decision)
            return "run_failed"
        _release(services, claimed, error, decision)
        return "released"
    return "recorded"


def _carry_out(services: Services, claimed: ClaimedShard) -> None:
    with LeaseKeeper(services, claimed) as lease:
        reused = _take_over(services, claimed)
        outcomes = _compute(services, claimed, reused, lease)
        started = time.perf_counter()
        key = part_key(claimed.run_id, claimed.index, claimed.token)
        rows = part_rows(services.store, outcomes, claimed.previous_part)
        with span("store"):
            size = write_jsonl_zst(services.store, key, shard_rows(claimed, outcomes, reused) if reused else rows)
        store_ms = (time.perf_counter() - started) * 1e3 / len(claimed.images)

        def step(session: Session) -> None:
            in_flight = services.settings.shards_in_flight
            record(
                session,
                services.queue,
                claimed,
                outcomes,
                part_key=key,
                part_bytes=size,
                store_ms=store_ms,
                shards_in_flight=in_flight,
                reused=reused,
            )

        with span("record"):
            when_database_answers(services, step, lease)
    count_recorded(claimed, outcomes, store_ms)
    failed = sum(outcome.error is not None for outcome in outcomes)
    log.info("shard.recorded", images=len(outcomes), failed=failed, reused=len(reused))


def _take_over(services: Services, claimed: ClaimedShard) -> Sequence[ReusedImage]:
    weights = current_weights(get_variant(claimed.variant), services.settings.weights_dir) if claimed.reuse else None
    return () if weights is None else take_over(services.engine, services.store, claimed, weights)


def _compute(
    services: Services, claimed: ClaimedShard, reused: Sequence[ReusedImage], lease: LeaseKeeper
) -> Sequence[ImageOutcome]:
    taken = {one.image.dataset_image_id for one in reused}
    images = tuple(image for image in claimed.images if image.dataset_image_id not in taken)
    if not images:
        return ()
    admit_shard(services, claimed)
    lease.images_begin()
    return _segment_images(services, replace(claimed, images=images), lease)


def _segment_images(services: Services, claimed: ClaimedShard, lease: LeaseKeeper) -> Sequence[ImageOutcome]:
    """Segment all images; return their outcomes in position order.

    Several requests are at Triton at a time, so that it can batch their images. The first error that is not caused by
    an image ends the shard: images not yet started are dropped, and the requests at Triton are cancelled.
    """
    step = ImageStep.of(services, claimed, lease)
    workers = min(services.settings.images_in_flight, len(claimed.images))
    with ThreadPoolExecutor(workers, thread_name_prefix=f"shard-{claimed.shard_id}") as pool:
        futures = [pool.submit(contextvars.copy_context().run, step) for _ in range(workers)]
        try:
            outcomes = [outcome for future in as_completed(futures) for outcome in future.result()]
        except BaseException:
            step.groups.close()
            lease.calls.cancel()
            raise
    found = {outcome.image.dataset_image_id: outcome for outcome in outcomes}
    return [found[image.dataset_image_id] for image in claimed.images]


def _hand_back(services: Services, claimed: ClaimedShard) -> None:
    def step(session: Session) -> None:
        if hand_back(session, claimed):
            wake_after_commit(session, services.queue, TaskName.DISPATCH, str(claimed.run_id))

    when_database_answers(services, step)
    log.info("shard.handed_back")


def _wait_for_room(services: Services, claimed: ClaimedShard, waits: VariantWaits) -> None:
    def step(session: Session) -> None:
        if wait_for_room(session, claimed, Reason.of(waits), retry_in=ROOM_RETRY):
            begin_waiting(session, claimed.run_id)
            _dispatch_after(services, session, claimed, ROOM_RETRY)

    when_database_answers(services, step)
    log.info("shard.waits_for_room", variant=claimed.variant, reason=waits.message)


def _fail(services: Services, claimed: ClaimedShard, decision: FailRun) -> None:
    log.error("run.failed", code=decision.code, reason=decision.reason)
    step = partial(fail_claimed_run, claimed=claimed, code=decision.code, message=decision.reason)
    when_database_answers(services, step)


def _release(services: Services, claimed: ClaimedShard, error: Exception, decision: TryAgain) -> None:
    log.warning(
        "shard.released",
        reason=str(decision.reason),
        fault=decision.fault.value,
        attempts=claimed.attempts,
        retry_seconds=decision.after.total_seconds(),
        exc_info=error if decision.surprising else None,
    )

    def step(session: Session) -> None:
        if release(
            session,
            claimed,
            error=decision.reason,
            retry_in=decision.after,
            max_attempts=services.settings.max_shard_attempts,
            fault=decision.fault,
        ):
            _dispatch_after(services, session, claimed, decision.after)

    when_database_answers(services, step)


def _dispatch_after(services: Services, session: Session, claimed: ClaimedShard, after: timedelta) -> None:
    seconds, run_id = after.total_seconds(), str(claimed.run_id)
    wake_after_commit(session, services.queue, TaskName.DISPATCH, run_id, countdown_seconds=seconds)
