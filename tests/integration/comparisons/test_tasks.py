"""The worker's tasks compute comparisons, and send again those whose message was lost."""

from __future__ import annotations

from sqlalchemy import Engine, text, update

from fixtures.worker.compared_runs import ended_run_of, new_dataset
from fixtures.worker.worker_services import make_services
from samfleet.comparisons.request import request_comparison
from samfleet.db.models import Comparison, ComparisonState
from samfleet.db.session import transaction
from samfleet.jobs.queue import MemoryTaskQueue, TaskName
from samfleet_worker.factory import create_app
from samfleet_worker.triton.memory_segmenter import MemorySegmenter


def test_a_lost_message_is_sent_again_and_the_comparison_computed(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter())
    assert isinstance(services.queue, MemoryTaskQueue)
    app = create_app(services.settings, lambda _: services)
    dataset = new_dataset(engine, 2)
    a, b = (ended_run_of(engine, services.store, dataset, lambda _: [(0, 10)]) for _ in "ab")
    with transaction(engine) as session:
        comparison, _ = request_comparison(session, services.queue, dataset.tenant_id, a.id, b.id)
    with transaction(engine) as session:
        session.execute(update(Comparison).values(sent_at=text("now() - interval '1 hour'")))
    services.queue.sent.clear()
    app.tasks[TaskName.SWEEP].apply(throw=True)
    (sent,) = [task for task in services.queue.sent if task.task == TaskName.COMPARE]
    app.tasks[sent.task].apply(args=sent.args, throw=True)
    with transaction(engine) as session:
        row = session.get_one(Comparison, comparison.id)
        assert (row.state, row.images, row.matched) == (ComparisonState.COMPLETED, 2, 2)
