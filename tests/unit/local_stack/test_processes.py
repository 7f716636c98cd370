from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from samfleet.process_identity import identify
from samfleet_cli.local_stack.processes import MARKER, belonging_to, descendants, end, wait_gone

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)",
)


def test_a_living_process_has_a_unique_identity() -> None:
    identity = identify(os.getpid())

    assert identity is not None
    assert identity.is_alive()
    assert not replace(identity, start_ticks=identity.start_ticks - 1).is_alive()
    assert not replace(identity, boot_id="another boot").is_alive()


def test_a_zombie_counts_as_gone() -> None:
    process = subprocess.Popen(("true",))
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert identify(process.pid) is None
    assert process.wait() == 0


def test_end_leaves_a_recycled_process_id_alone() -> None:
    with subprocess.Popen(SLEEP) as process:
        identity = identify(process.pid)
        assert identity is not None

        end([replace(identity, start_ticks=1)], grace_seconds=0)

        assert process.poll() is None
        process.kill()


def test_end_kills_processes_that_ignore_the_signal() -> None:
    with subprocess.Popen(STUBBORN, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        identity = identify(process.pid)
        assert identity is not None

        end([identity], grace_seconds=0.1)

        assert not identity.is_alive()


def test_processes_of_a_stack_are_found_by_its_mark(tmp_path: Path) -> None:
    with subprocess.Popen(SLEEP, env={**os.environ, MARKER: str(tmp_path)}, start_new_session=True) as process:
        found = belonging_to(tmp_path)

        assert [identity.pid for identity in found] == [process.pid]
        assert process.pid in [identity.pid for identity in descendants(os.getpid())]
        assert belonging_to(tmp_path / "other") == []
        process.kill()


@pytest.mark.parametrize("seconds", [0.0, 5.0])
def test_waiting_for_no_process_returns_at_once(seconds: float) -> None:
    assert wait_gone([], seconds) == []


def test_waiting_returns_the_processes_still_alive() -> None:
    with subprocess.Popen(SLEEP) as process:
        identity = identify(process.pid)
        assert identity is not None
        assert wait_gone([identity], 0.0) == [identity]
        process.send_signal(signal.SIGKILL)
