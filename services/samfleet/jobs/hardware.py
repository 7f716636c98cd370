from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.db.models import Hardware

Facts = Mapping[str, Any]


def fingerprint(facts: Facts) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class KnownHardware:
    """Ids of the hardware rows by facts. A shard's images have one or two different facts, so each is looked up."""

    def __init__(self, rows: Iterable[tuple[Facts, uuid.UUID]]) -> None:
        self._rows = list(rows)

    def id_of(self, facts: Facts) -> uuid.UUID | None:
        """Return None for facts that were not remembered, such as none."""
        return next((id_ for known, id_ in self._rows if known == facts), None)


def remember_hardware(session: Session, measured: Iterable[Facts]) -> KnownHardware:
    """Return the ids of the hardware rows, inserting new rows.

    Rows are written in sorted order, so that two writers cannot deadlock.
    """
    different: list[Facts] = []
    for facts in measured:
        if facts and facts not in different:
            different.append(facts)
    known = {fingerprint(facts): facts for facts in different}
    for sha256, facts in sorted(known.items()):
        values = {
            "id": uuid.uuid4(),
            "fingerprint_sha256": sha256,
            "device_kind": str(facts.get("device_kind", "unknown"))[:32],
            "device_name": str(facts.get("device_name", "unknown"))[:200],
            "facts": dict(facts),
            "first_seen_at": func.now(),
        }
        session.execute(insert(Hardware).values(values).on_conflict_do_nothing(index_elements=["fingerprint_sha256"]))
    rows = session.execute(
        select(Hardware.fingerprint_sha256, Hardware.id).where(Hardware.fingerprint_sha256.in_(known))
    )
    return KnownHardware((known[row.fingerprint_sha256], row.id) for row in rows)
