"""A job on a pool whose name stands for one, then three, then two real Triton servers, of which one is killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine

from fixtures.models.fixed_variants import FixedVariants, add_fixed_variants
from fixtures.servers.model_processes import picture
from fixtures.servers.triton import running_triton
from fixtures.worker.job_rows import reload, results_of, shards_of, start_runs
from fixtures.worker.worker_services import make_services
from samfleet.db.models import Run, RunState
from samfleet.variants.task import EverythingParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_cli.local_stack.triton_command import TritonCommand
from samfleet_worker.bootstrap import Services
from samfleet_worker.pipeline import segment_shard
from samfleet_worker.pool_keeper import keep_pool
from samfleet_worker.triton.client import TritonSegmenter

MINUTES = timedelta(minutes=5)
NAME = "triton-headless:8001"
IMAGES = 40
PATIENCE_SECONDS = 120


@dataclass(slots=True)
class Names:
    now: list[str] = field(default_factory=list)

    def __call__(self, configured: str) -> Sequence[str]:
        assert configured == NAME
        return self.now


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FixedVariants]:
    with pytest.MonkeyPatch.context() as patch:
        yield add_fixed_variants(patch, tmp_path_factory.mktemp("own"), "still", delay_ms=20)


@pytest.fixture
def servers(own: FixedVariants, tmp_path: Path) -> Iterator[list[TritonCommand]]:
    """Three servers with the model `still` unloaded."""
    with ExitStack() as stack, ThreadPoolExecutor(3) as threads:
        folders = [tmp_path / str(number) for number in range(3)]
        for folder in folders:
            folder.mkdir()
        contexts = [
            running_triton(folder, own.weights, [], repository=own.repository, extra_env=own.environment)
            for folder in folders
        ]
        started = threads.map(lambda context: context.__enter__(), contexts)
        for context in contexts:
            stack.push(context.__exit__)
        yield list(started)


def addresses(servers: Sequence[TritonCommand]) -> list[str]:
    return [f"127.0.0.1:{server.grpc_port}" for server in servers]


def answered(segmenter: TritonSegmenter) -> dict[str, bool]:
    """Return whether each server of the pool has the variant."""
    return {status.address: "still" in status.variants for status in segmenter.status()}


def kill(server: TritonCommand) -> None:
    """Kill a server and the processes of its models, as the end of its machine does."""
    (found,) = [
        process
        for process in psutil.Process().children()
        if f"--grpc-port={server.grpc_port}" in process.cmdline() or str(server.grpc_port) in process.cmdline()
    ]
    for process in [found, *found.children(recursive=True)]:
        os.kill(process.pid, signal.SIGKILL)
    found.wait(PATIENCE_SECONDS)


def work_until_done(services: Services, run: Run) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while reload(services.engine, run)[1].state is RunState.RUNNING:
        assert time.monotonic() < deadline
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda shard: segment_shard(services, shard.id), shards_of(services.engine, run)))


def test_a_job_follows_its_pool_as_it_grows_shrinks_and_loses_a_server(
    engine: Engine, servers: list[TritonCommand], own: FixedVariants
) -> None:
    """Newcomers get the variant without a break, and a killed server costs no image and no attempt."""
    assert own.environment
    everyone = addresses(servers)
    names = Names(everyone[:1])
    request = SegmentRequest(picture(), EverythingParameters(points_per_side=1))
    with closing(TritonSegmenter([NAME], MINUTES, resolve=names)) as segmenter:
        services = make_services(engine, segmenter, images_in_flight=4, shards_in_flight=100)
        for number in range(IMAGES):
            services.store.put(f"uploads/{number}", picture())
        uris = [f"store:uploads/{number}" for number in range(IMAGES)]
        (run,) = start_runs(engine, services.queue, IMAGES, uris=uris, variants=["still"])
        segment_shard(services, shards_of(engine, run)[0].id)
        assert answered(segmenter) == {everyone[0]: True}
        names.now = everyone
        keep_pool(services)
        assert answered(segmenter) == dict.fromkeys(everyone, True)
        names.now = everyone[1:]
        keep_pool(services)
        assert answered(segmenter) == dict.fromkeys(everyone[1:], True)
        with ThreadPoolExecutor(1) as threads:
            done = threads.submit(work_until_done, services, run)
            segmenter.segment("still", [request])
            kill(servers[1])
            done.result()
        job_run = reload(engine, run)[1]
        assert (job_run.state, job_run.succeeded, job_run.failed) == (RunState.FINISHING, IMAGES, 0)
        assert [result.mask_count for result in results_of(engine, run)] == [2] * IMAGES
        assert {shard.attempts for shard in shards_of(engine, run)} == {0}
        assert [(status.address, status.ready) for status in segmenter.status()] == [
            (everyone[1], False),
            (everyone[2], True),
        ]
