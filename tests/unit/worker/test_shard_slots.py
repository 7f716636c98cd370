from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

from samfleet_worker.shard_slots import Company

PATIENCE_SECONDS = 20


def test_shards_run_side_by_side() -> None:
    company, stopping = Company(), Event()
    with (
        company.joined(alone=False, stopping=stopping) as first,
        company.joined(alone=False, stopping=stopping) as second,
    ):
        assert first
        assert second


def test_a_stopping_worker_ends_all_waits() -> None:
    company, stopping = Company(), Event()

    def wait_alone() -> bool:
        with company.joined(alone=True, stopping=stopping) as joined:
            return joined

    with ThreadPoolExecutor(1) as pool, company.joined(alone=False, stopping=stopping):
        waiting = pool.submit(wait_alone)
        stopping.set()
        assert not waiting.result(PATIENCE_SECONDS)
        with company.joined(alone=False, stopping=stopping) as joined:
            assert not joined


def test_an_exclusive_slot_is_freed_afterwards() -> None:
    company, stopping = Company(), Event()
    for alone in (True, True, False):
        with company.joined(alone=alone, stopping=stopping) as joined:
            assert joined
