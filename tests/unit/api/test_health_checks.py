from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from samfleet_api.health.checks import NotReady, run_checks


def refuse() -> str:
    raise NotReady("not today")


def crash() -> str:
    raise RuntimeError("secret internals")


def test_one_slow_part_does_not_hide_the_others() -> None:
    release = threading.Event()

    def hang() -> str:
        release.wait(30)
        return "at last"

    with ThreadPoolExecutor(4) as probes:
        checks = run_checks(
            probes, {"slow": hang, "good": lambda: "answers", "refusing": refuse, "broken": crash}, deadline_seconds=1
        )
        release.set()
    assert {name: (check.ok, check.detail) for name, check in checks.items()} == {
        "slow": (False, "did not answer in time"),
        "good": (True, "answers"),
        "refusing": (False, "not today"),
        "broken": (False, "does not answer (RuntimeError)"),
    }
    assert checks["slow"].ms >= 1000
