from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from samfleet.db.models import Job, JobState, Run, RunState, ShardState
from samfleet.jobs.states import (
    JOB_TRANSITIONS,
    RUN_TRANSITIONS,
    SHARD_TRANSITIONS,
    TransitionForbidden,
    is_final,
    move_job,
    move_run,
    shard_sources,
)


def test_the_tables_name_every_state() -> None:
    assert set(JOB_TRANSITIONS) == set(JobState)
    assert set(RUN_TRANSITIONS) == set(RunState)
    assert set(SHARD_TRANSITIONS) == set(ShardState)


def test_final_states_have_no_transition() -> None:
    assert {state for state in JobState if is_final(state)} == {
        JobState.COMPLETED,
        JobState.COMPLETED_WITH_ERRORS,
        JobState.FAILED,
        JobState.CANCELLED,
    }
    assert {state.value for state in RunState if is_final(state)} == {"completed", "failed", "cancelled"}


def test_only_leased_shards_become_done() -> None:
    assert shard_sources(ShardState.DONE) == (ShardState.LEASED,)
    assert ShardState.DONE not in shard_sources(ShardState.CANCELLED)


def test_transitions_missing_in_the_tables_are_refused() -> None:
    with pytest.raises(TransitionForbidden, match="is completed and cannot become running"):
        move_job(Session(), Job(state=JobState.COMPLETED), JobState.RUNNING)
    with pytest.raises(TransitionForbidden, match="is queued and cannot become completed"):
        move_run(Session(), Run(state=RunState.QUEUED), RunState.COMPLETED)
