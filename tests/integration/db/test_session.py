from __future__ import annotations

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from samfleet.db.session import allow_idle

IDLE = "idle_in_transaction_session_timeout"
LOCK = "LOCK TABLE jobs IN EXCLUSIVE MODE"


def test_a_process_that_is_stopped_in_a_transaction_loses_its_locks(engine: Engine) -> None:
    with engine.connect() as stopped, engine.begin() as other:
        assert stopped.scalar(text(f"SHOW {IDLE}")) == "30s"
        stopped.execute(text(f"SET LOCAL {IDLE} = '20ms'; {LOCK}"))
        other.execute(text(LOCK))  # waits until the server has ended the other transaction
        with pytest.raises(DBAPIError, match="idle-in-transaction"):
            stopped.execute(text("SELECT 1"))


def test_a_transaction_may_be_idle_for_long_if_it_says_so(engine: Engine) -> None:
    shown = []
    with Session(engine) as session:
        shown.append(session.scalar(text(f"SHOW {IDLE}")))
        allow_idle(session)
        shown.append(session.scalar(text(f"SHOW {IDLE}")))
        session.commit()
        shown.append(session.scalar(text(f"SHOW {IDLE}")))
    assert shown == ["30s", "0", "30s"]
