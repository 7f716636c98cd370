"""Loading of a shard's variant before its images are sent, and the choice of variants that may be unloaded for it.

A shard begins as soon as one server of the pool has its variant; servers that join later load it meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from samfleet.db.locks import process_lock
from samfleet.db.session import transaction
from samfleet.jobs.claim import ClaimedShard
from samfleet.jobs.log import MODEL_LOADED, MODEL_LOADING, add_line
from samfleet.jobs.states import lock_run
from samfleet.jobs.variant_turns import begin_turn, variant_owed_a_turn, variants_at_work, variants_in_use
from samfleet.variants.catalogue import get_variant
from samfleet_worker.bootstrap import Services
from samfleet_worker.triton.errors import VariantWaits


def admit_shard(services: Services, claimed: ClaimedShard) -> None:
    """Return when a server of the pool has the variant loaded.

    Raises `VariantWaits` while there is no room, or while the variant has to make room for another.
    """
    get_variant(claimed.variant).require_accepted(services.settings.accept_licenses)
    if services.segmenter.has(claimed.variant):
        with transaction(services.engine) as session:
            owed = variant_owed_a_turn(session, claimed, services.settings.variant_turn)
            if owed is None:
                begin_turn(session, claimed.run_id)
        if owed is not None:
            raise VariantWaits(f"{claimed.variant} makes room for {owed}, which has waited for a turn")
        return
    load_variant(services, claimed)


def load_variant(services: Services, claimed: ClaimedShard) -> None:
    """Load the variant unless it is loaded.

    One thread of one process of a pool loads and unloads at a time; the others then find the variant loaded.
    """
    with loading_of(services, claimed.pool):
        if not services.segmenter.has(claimed.variant):
            _log(services, claimed, MODEL_LOADING, f"{services.worker} loads the model into Triton")
            started = time.perf_counter()
            services.segmenter.load(claimed.variant, _at_work(services, claimed))
            _log(services, claimed, MODEL_LOADED, f"the model is loaded, after {time.perf_counter() - started:.1f} s")
    with transaction(services.engine) as session:
        begin_turn(session, claimed.run_id)


def revive_variant(services: Services, claimed: ClaimedShard, asked_at: float) -> None:
    """Load a variant again after its process was found dead by a request of that time (monotonic)."""
    with loading_of(services, claimed.pool):
        services.segmenter.revive(claimed.variant, _at_work(services, claimed), asked_at)


def spread_variants(services: Services) -> None:
    """Load variants in use on the servers that lack them: those that joined the pool or were restarted."""
    for variant in sorted(services.segmenter.uneven() & in_use(services)):
        with loading_of(services, services.settings.pool):
            services.segmenter.load(variant, in_use(services))


@contextmanager
def loading_of(services: Services, pool: str) -> Iterator[None]:
    """Let only this thread of all processes of a pool load and unload variants during the block."""
    with services.loading, process_lock(services.engine, f"samfleet.pool.{pool}.loading"):
        yield


def in_use(services: Services) -> frozenset[str]:
    """Return the variants that jobs of this worker's pool use; they stay loaded."""
    with transaction(services.engine) as session:
        return variants_in_use(session, services.settings.pool)


def _log(services: Services, claimed: ClaimedShard, code: str, message: str) -> None:
    """Append a line to the job's log.

    A run that waits for memory or for Triton tries again every few seconds, and its log says so already.
    """
    with transaction(services.engine) as session:
        locked = lock_run(session, claimed.run_id)
        if locked and (code == MODEL_LOADED or locked.run.stalled_code is None):
            add_line(session, locked.run, code, message, shard=claimed.index)


def _at_work(services: Services, claimed: ClaimedShard) -> frozenset[str]:
    with transaction(services.engine) as session:
        return variants_at_work(session, claimed, services.settings.variant_turn)
