"""Check that a job's variants have weights, as far as this is known before a worker loads them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from samfleet.db.models import WorkerHeartbeat
from samfleet.errors import Conflict
from samfleet.variants.record import VariantRecord
from samfleet.variants.weights.verify import has_weights

FRESH = timedelta(seconds=30)  # workers send a heartbeat every 5 s


class VariantWithoutWeights(Conflict):
    """The variant's weights are missing; fetch them with `samfleet variants pull`, then submit the job again."""

    code = "variant_without_weights"


def require_weights(
    session: Session, records: Sequence[VariantRecord], pools: Collection[str], weights_dir: Path | None
) -> None:
    """Raise `VariantWithoutWeights` if a variant is known to have no weights.

    The weights folder decides if this process has it; else the loads that failed for missing weights in workers of the
    pools within the last minute.
    """
    if weights_dir is not None and weights_dir.is_dir():
        for record in records:
            if not has_weights(weights_dir, record):
                raise VariantWithoutWeights(
                    f"the weights of {record.name} are not in {weights_dir}; "
                    f"fetch them with `samfleet variants pull {record.name}`"
                )
        return
    names = {record.name for record in records}
    query = select(WorkerHeartbeat).where(WorkerHeartbeat.seen_at > func.now() - FRESH, WorkerHeartbeat.pool.in_(pools))
    for beat in session.scalars(query.order_by(WorkerHeartbeat.worker)):
        for server in beat.detail.get("servers", ()):
            for name, reason in server.get("without_weights", {}).items():
                if name in names:
                    raise VariantWithoutWeights(f"pool {beat.pool}: {reason}")
