"""A worker process that is killed between sending a message and recording it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

from sqlalchemy import Engine
from standardwebhooks import Webhook

from fixtures.servers.receiver import Receiver, reply
from fixtures.worker.webhook_rows import (
    LIMITS,
    add_endpoint,
    add_tenant,
    announce,
    attempts,
    let_time_pass,
    run_pass,
    states,
)
from samfleet.db.models import DeliveryState

WORKER = """
import sys
from fixtures.worker.webhook_rows import run_pass
from samfleet.db.session import connect
run_pass(connect(sys.argv[1]))
"""


def test_a_message_of_a_killed_worker_is_sent_again_with_its_id(
    engine: Engine, database_url: str, receiver: Receiver
) -> None:
    endpoint = add_endpoint(engine, add_tenant(engine), receiver.url)
    announce(engine, endpoint.tenant_id)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    worker = subprocess.Popen([sys.executable, "-c", WORKER, database_url], env=environment)

    def kill(_connection: socket.socket, _receiver: Receiver) -> None:
        worker.send_signal(signal.SIGKILL)

    receiver.behave(kill, reply())
    assert worker.wait(60) == -signal.SIGKILL
    assert attempts(engine) == []
    assert states(engine) == [DeliveryState.PENDING]
    assert run_pass(engine) == 0  # the lease of the killed worker lasts
    let_time_pass(engine, LIMITS.lease)
    assert run_pass(engine) == 1
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    Webhook(endpoint.secret).verify(second.body, second.headers)
    assert states(engine) == [DeliveryState.DELIVERED]
