from __future__ import annotations

import uuid

from sqlalchemy import Engine, select

from samfleet.db.models import Run, RunState
from samfleet.db.session import transaction
from samfleet.errors import SamfleetError
from samfleet.jobs.exports import ExportFormat, export_key, iter_export, recorded_parts
from samfleet.jobs.parts import read_parts
from samfleet.jobs.settling import fail_run, settle_job
from samfleet.jobs.states import lock_run, move_run
from samfleet.storage.store import ObjectStore


def finish_run(engine: Engine, store: ObjectStore, run_id: uuid.UUID) -> None:
    """Write the export files of a run whose images are all recorded, then complete it.

    Runs again from the start after a crash; two at once write the same bytes and one of them completes the run.
    Errors worth another try are raised with the run unchanged; a part that is damaged or gone fails the run.
    """
    with transaction(engine) as session:
        state = session.scalars(select(Run.state).where(Run.id == run_id)).one_or_none()
        parts = recorded_parts(session, run_id)
    if state is not RunState.FINISHING:
        return
    failure: SamfleetError | None = None
    try:
        for form in ExportFormat:
            store.put_stream(export_key(run_id, form), iter_export(form, read_parts(store, parts)))
    except SamfleetError as error:
        if error.retryable:
            raise
        failure = error
    with transaction(engine) as session:
        locked = lock_run(session, run_id)
        if locked is None or locked.run.state is not RunState.FINISHING:
            return
        if failure is not None:
            fail_run(session, locked.job, locked.run, failure.code, f"exports cannot be written: {failure.message}")
        else:
            move_run(session, locked.run, RunState.COMPLETED)
            settle_job(session, locked.job)
