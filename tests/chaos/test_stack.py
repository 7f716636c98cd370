"""Every part of the real embedded stack is killed or stopped while a job runs, and the stack recovers automatically."""

from __future__ import annotations

import random
import signal
import statistics
import time
from collections.abc import Iterator

import pytest

from fixtures.servers.chaos_stack import VICTIMS, ChaosStack, chaos_stack, random_victims
from samfleet_cli.local_stack.processes import wait_gone
from samfleet_cli.local_stack.stack import stack_status, start_stack

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]

WITHIN_SECONDS = 60.0
JOB_SECONDS = 240.0
IMAGES = 300
SEED = 20261128
SIGNALS = (signal.SIGKILL, signal.SIGSTOP)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosStack]:
    with chaos_stack(tmp_path_factory.mktemp("chaos")) as stack:
        yield stack


def check_ended_well(stack: ChaosStack, job_id: str, images: int = IMAGES) -> int:
    """Check that each image has one row, and return the worst shard's counted attempts."""
    ended = stack.wait_for(job_id, lambda counts: counts.state not in {"queued", "running"}, JOB_SECONDS)
    assert (ended.state, ended.succeeded, ended.failed, ended.rows, ended.images) == (
        "completed",
        images,
        0,
        images,
        images,
    )
    return ended.worst_attempts


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("victim", VICTIMS)
def test_a_part_that_dies_or_hangs_during_a_job_recovers(
    stack: ChaosStack, victim: str, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = stack.submit(IMAGES)
    stack.wait_for(job_id, lambda counts: counts.succeeded > 0, WITHIN_SECONDS)
    before = stack_status(stack.state_dir).supervisor_pid

    hurt = stack.hurt(victim, number)
    seconds = stack.seconds_until_whole(hurt, WITHIN_SECONDS)

    worst = check_ended_well(stack, job_id)
    assert stack_status(stack.state_dir).supervisor_pid == before
    with capsys.disabled():
        print(f"\n{victim:15} {number.name}: whole after {seconds:5.1f} s, worst shard {worst} attempts")


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_dead_idle_stub_recovers_without_a_request(
    stack: ChaosStack, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    hurt = stack.hurt("stub", number)
    seconds = stack.seconds_until_whole(hurt, WITHIN_SECONDS)
    deadline = time.monotonic() + WITHIN_SECONDS
    while stack.pid_of("stub") == hurt.pid or not stack.is_whole():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    check_ended_well(stack, stack.submit(4), 4)
    with capsys.disabled():
        print(f"\nidle stub       {number.name}: whole after {seconds:5.1f} s")


def test_a_new_supervisor_continues_after_a_killed_one(stack: ChaosStack, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = stack.submit(IMAGES)
    stack.wait_for(job_id, lambda counts: counts.succeeded > 0, WITHIN_SECONDS)
    pid = stack_status(stack.state_dir).supervisor_pid
    assert pid is not None
    supervisor = stack.hurt_pid(pid, signal.SIGKILL)
    assert wait_gone([supervisor], WITHIN_SECONDS) == []
    for name, value in {**stack.samfleet.environment, **stack.settings}.items():
        monkeypatch.setenv(name, value)
    start_stack(stack.state_dir)
    check_ended_well(stack, job_id)


def test_thirty_random_kills_lose_no_image_and_duplicate_none(
    stack: ChaosStack, capsys: pytest.CaptureFixture[str]
) -> None:
    pause = random.Random(SEED)
    job_id, images = stack.submit(3000), 3000
    seconds = []
    for victim in random_victims(SEED, 30):
        stack.wait_for(job_id, lambda counts: counts.succeeded > 0, JOB_SECONDS)
        hurt = stack.hurt(victim, signal.SIGKILL)
        seconds.append(stack.seconds_until_whole(hurt, WITHIN_SECONDS))
        time.sleep(pause.uniform(0.0, 2.0))
    worst = check_ended_well(stack, job_id, images)
    with capsys.disabled():
        print(
            f"\n30 kills: whole after {statistics.median(seconds):.1f} s (median), {max(seconds):.1f} s at most; "
            f"worst shard {worst} attempts"
        )
