from __future__ import annotations

import asyncio
import threading

from samfleet_api.health.checks import NotReady, Probes


def refuse() -> str:
    raise NotReady("not today")


def crash() -> str:
    raise RuntimeError("secret internals")


def test_one_slow_part_does_not_hide_the_others() -> None:
    release = threading.Event()

    def hang() -> str:
        release.wait(30)
        return "at last"

    probes = Probes(deadline_seconds=1)
    asked = {"slow": hang, "good": lambda: "responds", "refusing": refuse, "broken": crash}
    checks = asyncio.run(probes.run(asked))
    release.set()
    probes.close()
    assert {name: (check.ok, check.detail) for name, check in checks.items()} == {
        "slow": (False, "timed out"),
        "good": (True, "responds"),
        "refusing": (False, "not today"),
        "broken": (False, "does not respond (RuntimeError)"),
    }
    assert checks["slow"].ms >= 1000


def test_a_hanging_part_is_checked_once_for_many_readiness_requests() -> None:
    release, calls = threading.Event(), []

    def hang() -> str:
        calls.append(1)
        release.wait(30)
        return "at last"

    probes = Probes(deadline_seconds=0.05)
    for _ in range(20):
        checks = asyncio.run(probes.run({"slow": hang, "good": lambda: "responds"}))
        assert (checks["slow"].ok, checks["good"].ok) == (False, True)
    assert len(calls) == 1
    release.set()
    probes.close()
