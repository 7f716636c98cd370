"""One scenario on a fresh stack: the job, the disturbances, the checks, and what was counted."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine

from chaos.suite.check import find_faults
from chaos.suite.evidence import Evidence, collect
from chaos.suite.exports import differences, download, wrong_sizes
from chaos.suite.inputs import VARIANTS
from chaos.suite.job import Struck, carry_out, submit
from chaos.suite.scenarios import SCENARIOS
from chaos.suite.schedule import make_schedule
from chaos.suite.stack import Folders, suite_stack
from chaos.suite.surroundings import KINDS
from chaos.suite.surroundings.surrounding import Place
from fixtures.servers.chaos_stack import ChaosStack, closing_engine
from samfleet.jobs.queue import CeleryTaskQueue
from samfleet.jobs.sweep import SweepLimits, sweep
from samfleet.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a scenario. `seconds` last from the submission to the end of the job with all parts ready again.

    `claims` counts the claims of all shards, `swept` the orphaned parts that a sweep then deleted.
    """

    name: str
    struck: Sequence[Struck]
    seconds: float
    images: int
    rows: int
    masks: int
    shards: int
    claims: int
    attempts: int
    swept: int
    exports: Mapping[str, str]
    faults: Sequence[str]


def run_scenario(name: str, seed: int, images: int, folders: Folders, reference: Mapping[str, str] | None) -> Result:
    """Run a scenario over `images` pictures and compare its exports with `reference`, if there is one."""
    scenario = SCENARIOS[name]
    schedule = make_schedule(seed, name, scenario.blows, images * len(VARIANTS))
    folder = folders.state.parent
    folder.mkdir()
    with KINDS[scenario.surroundings](Place(folder, seed)) as around, suite_stack(folders, around.settings) as stack:
        with around.beside(stack):
            started = time.monotonic()
            job_id = submit(stack, folders)
            struck = carry_out(stack, job_id, schedule, around.hits)
            seconds = time.monotonic() - started
        around.calm()
        with closing_engine(stack.samfleet.info.database_url) as engine:
            store = around.open_store(stack)
            swept = _sweep(stack, engine, store)
            evidence = collect(engine, store, job_id)
        exports = download(stack, evidence, folder / "exports")
        faults = [*find_faults(evidence), *wrong_sizes(folder / "exports", folders.pictures)]
    faults += _wrong_numbers(evidence, images)
    if schedule and not struck:
        faults.append(f"numbers: none of {len(schedule)} strikes was made before the job ended; take more images")
    if reference is not None:
        faults += differences(reference, exports)
    return _result(name, struck, seconds, evidence, swept, exports, faults)


def folders_of(shared: Folders, name: str) -> Folders:
    """Return the folders with a separate state for one scenario."""
    return Folders(shared.pictures, shared.variants, shared.weights, shared.state / name / "state")


def _sweep(stack: ChaosStack, engine: Engine, store: ObjectStore) -> int:
    """Sweep without a grace period, as a stack does an hour later, and return the number of parts deleted."""
    limits = SweepLimits(shards_in_flight=1, max_shard_attempts=25, orphan_grace=timedelta(0))
    with closing(CeleryTaskQueue(stack.samfleet.info.broker_url)) as queue:
        return sweep(engine, queue, store, limits).parts_deleted


def _wrong_numbers(evidence: Evidence, images: int) -> list[str]:
    """Guard against checks of an empty job: there are all images, both runs, and masks in each."""
    faults = []
    if len(evidence.images) != images:
        faults.append(f"numbers: the dataset has {len(evidence.images)} images, not {images}")
    if sorted(run.variant for run in evidence.runs) != sorted(VARIANTS):
        faults.append(f"numbers: the job has runs of {[run.variant for run in evidence.runs]}")
    faults += [f"numbers: {run.variant} has {run.masks} masks" for run in evidence.runs if run.masks < images]
    return faults


def _result(
    name: str,
    struck: Sequence[Struck],
    seconds: float,
    evidence: Evidence,
    swept: int,
    exports: Mapping[str, str],
    faults: Sequence[str],
) -> Result:
    return Result(
        name=name,
        struck=struck,
        seconds=seconds,
        images=len(evidence.images),
        rows=len(evidence.rows),
        masks=sum(run.masks for run in evidence.runs),
        shards=len(evidence.shards),
        claims=sum(shard.token for shard in evidence.shards),
        attempts=sum(shard.attempts for shard in evidence.shards),
        swept=swept,
        exports=exports,
        faults=faults,
    )
