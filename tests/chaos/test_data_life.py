"""A stack whose parts are restarted one by one, that is updated, or that is backed up, in the middle of a job."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from chaos.suite.check import find_faults
from chaos.suite.evidence import Evidence, collect
from chaos.suite.exports import differences, download
from chaos.suite.inputs import write_pictures
from chaos.suite.job import progress
from fixtures.models.onnx_pairs import unknown_again
from fixtures.servers.chaos_stack import ChaosStack, closing_engine
from fixtures.servers.earlier_code import check_out, earlier_processes
from fixtures.servers.patient_client import PatientClient
from fixtures.servers.running_stack import running_stack
from samfleet.client.client import SamfleetClient
from samfleet.db.session import read_only
from samfleet.jobs.export import ExportFormat
from samfleet.jobs.named_objects import named_objects
from samfleet.storage.factory import open_store
from samfleet.variants.catalogue import add_variants_of, get_variant
from samfleet.variants.weights.pull import pull

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]

FIXED = "restart_fixed"  # the same masks for all images of one size, without a network
DELAY_MS = 200
IMAGES, SOME, FEW = 500, 160, 8
PARTS = ("api", "control", "beat", "worker", "triton", "redis", "postgres")
TASK = {"kind": "everything", "points_per_side": 2}
SHARDS_BY_WORKER = text(
    "SELECT worker, count(*) AS shards FROM shards JOIN runs ON runs.id = run_id WHERE job_id = :job_id GROUP BY worker"
)
WHOLE_SECONDS = 300.0
JOB_SECONDS = 900.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosStack]:
    folder = tmp_path_factory.mktemp("life")
    (folder / "variants").mkdir()
    (folder / "variants" / f"{FIXED}.yaml").write_text(f"fixed: {{delay_ms: {DELAY_MS}, masks: 3}}\n")
    for images in (IMAGES, SOME, FEW):
        write_pictures(folder / f"pictures-{images}", images)
    with pytest.MonkeyPatch.context() as patch:
        unknown_again(patch, FIXED)
        add_variants_of(folder / "variants")
        pull(get_variant(FIXED), folder / "weights")
        settings = {
            "SAMFLEET_VARIANTS": FIXED,
            "SAMFLEET_VARIANTS_DIR": str(folder / "variants"),
            "SAMFLEET_WEIGHTS_DIR": str(folder / "weights"),
            "SAMFLEET_DEVICE": "cpu",
            "SAMFLEET_SHARD_SIZE": "8",
            "OMP_NUM_THREADS": "1",
        }
        with running_stack(folder / "state", **settings) as samfleet:
            yield ChaosStack(samfleet, folder, settings)


def job_of(stack: ChaosStack, images: int) -> dict[str, Any]:
    """Create a dataset and return the request of a job on it."""
    with SamfleetClient(stack.samfleet.info.api_url, stack.samfleet.info.api_key) as client:
        dataset = client.create_directory_dataset(stack.folder / f"pictures-{images}")
    return {"dataset_id": str(dataset.id), "variants": [FIXED], "task": TASK}


def submit(stack: ChaosStack, images: int, api_url: str | None = None) -> str:
    job = job_of(stack, images)
    with SamfleetClient(api_url or stack.samfleet.info.api_url, stack.samfleet.info.api_key) as client:
        return str(client.submit_job(job["dataset_id"], job["variants"], job["task"]).id)


def ended(stack: ChaosStack, job_id: str) -> Evidence:
    """Wait for the end of a job and return what it left, of which nothing may be wrong."""
    stack.wait_for(job_id, lambda counts: counts.state not in {"queued", "running"}, JOB_SECONDS)
    with closing_engine(stack.samfleet.info.database_url) as engine:
        evidence = collect(engine, open_store(stack.samfleet.info.storage_url), job_id)
    unnamed = {key for key in evidence.stored if key not in {shard.part for shard in evidence.shards}}
    faults = [fault for fault in find_faults(evidence) if not any(key in fault for key in unnamed)]
    assert faults == []  # parts of attempts that lost their shard stay for an hour
    return evidence


def test_a_rolling_restart_loses_nothing_and_shows_clients_nothing(
    stack: ChaosStack, capsys: pytest.CaptureFixture[str]
) -> None:
    info = stack.samfleet.info
    job_id = submit(stack, IMAGES)
    client = PatientClient(info.api_url, info.api_key, job_id, job_of(stack, FEW))
    stack.wait_for(job_id, lambda counts: counts.succeeded > 0, WHOLE_SECONDS)
    with client.at_work():
        for part in PARTS * 2:
            client.submit_another()
            stopped = stack.hurt(part, signal.SIGINT if part == "postgres" else signal.SIGTERM)
            stack.seconds_until_whole(stopped, WHOLE_SECONDS)
        seen = progress(stack, job_id)
        assert seen is not None
        assert seen[0] == "running", "the job ended before the last restart; raise DELAY_MS"
        evidence = ended(stack, job_id)
    assert client.wrong == []
    assert len(set(client.submitted.values())) == len(client.submitted) == 2 * len(PARTS)
    for small in client.submitted.values():
        assert len(ended(stack, small).rows) == FEW
    assert len(evidence.rows) == IMAGES
    claims = sum(shard.token for shard in evidence.shards)
    with capsys.disabled():
        print(
            f"\n14 restarts: {client.answers} replies, broken connections {dict(client.broken)}, "
            f"503 {dict(client.unavailable)}, {claims} claims of {len(evidence.shards)} shards"
        )


def test_code_from_before_the_newest_migration_works_beside_new_code(stack: ChaosStack, tmp_path: Path) -> None:
    """An update replaces one process after the other, once the database has the new schema."""
    with earlier_processes(stack, check_out(tmp_path)) as earlier:
        jobs = [submit(stack, SOME), submit(stack, FEW, earlier.api_url)]
        for job_id in jobs:
            ended(stack, job_id)
        with closing_engine(stack.samfleet.info.database_url) as engine, read_only(engine) as session:
            done = {row.worker: row.shards for row in session.execute(SHARDS_BY_WORKER, {"job_id": jobs[0]})}
        with SamfleetClient(earlier.api_url, stack.samfleet.info.api_key) as client:
            assert client.job(jobs[0]).counts.succeeded == SOME
            reference = [path.read_bytes() for path in exports(client, jobs[0], tmp_path / "earlier-exports")]
    with SamfleetClient(stack.samfleet.info.api_url, stack.samfleet.info.api_key) as client:
        assert [path.read_bytes() for path in exports(client, jobs[0], tmp_path / "exports")] == reference
    assert done.pop(earlier.worker) > 0
    assert sum(done.values()) > 0


def exports(client: SamfleetClient, job_id: str, folder: Path) -> list[Path]:
    """Download the results of a job's run in each format."""
    folder.mkdir()
    (run,) = client.job(job_id).runs
    for form in ExportFormat:
        client.download_results(run.id, folder / form, format_=form)
    return sorted(folder.iterdir())


def count_objects(stack: ChaosStack) -> int:
    """Return the number of objects that rows name."""
    with closing_engine(stack.samfleet.info.database_url) as engine, read_only(engine) as session:
        return sum(1 for _ in named_objects(session))


def test_a_job_continues_in_a_restored_stack_with_equal_exports(stack: ChaosStack, tmp_path: Path) -> None:
    job_id = submit(stack, IMAGES)
    stack.wait_for(job_id, lambda counts: counts.succeeded > IMAGES // 5, JOB_SECONDS)
    made = stack.samfleet("backup", tmp_path / "backup", "--json")
    assert made.exit_code == 0, made.stderr
    seen = progress(stack, job_id)
    assert seen is not None
    assert seen[0] == "running"
    original = ended(stack, job_id)
    reference = download(stack, original, tmp_path / "original")

    new = str(tmp_path / "restored")
    restored = stack.samfleet("restore", tmp_path / "backup", "--json", SAMFLEET_STATE_DIR=new)
    assert restored.exit_code == 0, restored.stderr
    assert restored.json()["objects"] < count_objects(stack)
    with running_stack(tmp_path / "restored", **stack.settings) as samfleet:
        second = ChaosStack(samfleet, stack.folder, stack.settings)
        assert samfleet.info.api_key == stack.samfleet.info.api_key
        evidence = ended(second, job_id)
        assert (len(evidence.rows), len({row.image for row in evidence.rows})) == (IMAGES, IMAGES)
        assert list(differences(reference, download(second, evidence, tmp_path / "again"))) == []
