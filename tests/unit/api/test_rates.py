"""Token buckets in memory, and the fields that tell a client what remains."""

from __future__ import annotations

import asyncio
import re

import pytest
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from samfleet_api.headers import AnswerHeaders
from samfleet_api.rates import MOST_CALLERS, Allowance, RateLimited, Rates

# A list of strings with integer parameters, in the grammar of structured fields (RFC 9651).
MEMBER = r'"[ !#-\[\]-~]*"(?:;[a-z*][a-z0-9_.*-]*=-?\d{1,15})*'
LIST = re.compile(rf"{MEMBER}(?:, ?{MEMBER})*")


def fields(allowance: Allowance) -> dict[str, str]:
    """Return the fields of a response to a request that was counted so."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        raise AssertionError

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/v1/jobs", "state": {"allowance": allowance}}
    asyncio.run(AnswerHeaders(app)(scope, receive, send))
    return dict(Headers(raw=sent[0]["headers"]))


def test_the_budget_refills_over_time_for_each_caller() -> None:
    now = 0.0
    rates = Rates(60, clock=lambda: now)
    assert [rates.take("a").remaining for _ in range(60)] == list(range(59, -1, -1))
    for _ in range(2):  # a refused request takes nothing
        with pytest.raises(RateLimited) as refused:
            rates.take("a").require()
        assert refused.value.retry_after_seconds == 1
    assert rates.take("b").remaining == 59
    now = 2.0
    assert rates.take("a").remaining == 1
    now = 1000.0
    assert rates.take("a").remaining == 59


@pytest.mark.parametrize("per_minute", [1, 3, 7, 3000, 10**9])
def test_a_caller_that_waits_as_long_as_told_is_accepted(per_minute: int) -> None:
    now = 0.1
    rates = Rates(per_minute, clock=lambda: now)
    for _ in range(min(per_minute, 3000)):
        rates.take("a").require()
    for _ in range(20):
        if wait := rates.take("a").wait_seconds:
            now += wait
            rates.take("a").require()


def test_the_least_recent_caller_is_forgotten() -> None:
    rates = Rates(5, clock=lambda: 0.0)
    for caller in range(MOST_CALLERS):
        rates.take(str(caller))
    assert rates.take("0").remaining == 3
    rates.take("new")
    assert rates.take("1").remaining == 4
    assert rates.take("0").remaining == 2


@pytest.mark.parametrize(
    ("allowance", "policy", "remaining"),
    [
        (Allowance(100, 50, 30.0), '"key";q=100;w=60', '"key";r=50;t=30'),
        (Allowance(100, 50, 30.001), '"key";q=100;w=60', '"key";r=50;t=31'),
        (Allowance(3000, 2999, 0.02), '"key";q=3000;w=60', '"key";r=2999;t=1'),
        (Allowance(1, 0, 60.0), '"key";q=1;w=60', '"key";r=0;t=60'),
        (Allowance(1, 0, 60.0, wait_seconds=0.001), '"key";q=1;w=60', '"key";r=0;t=1'),
        (Allowance(1, 0, 60.0, wait_seconds=59.2), '"key";q=1;w=60', '"key";r=0;t=60'),
        (Allowance(10**9, 10**9 - 1, 6e-8), '"key";q=1000000000;w=60', '"key";r=999999999;t=1'),
    ],
)
def test_the_fields_are_lists_of_structured_fields(allowance: Allowance, policy: str, remaining: str) -> None:
    found = fields(allowance)
    assert (found["ratelimit-policy"], found["ratelimit"]) == (policy, remaining)
    assert LIST.fullmatch(policy)
    assert LIST.fullmatch(remaining)
    former = [found[f"ratelimit-{name}"] for name in ("limit", "remaining", "reset")]
    assert former == [str(allowance.limit), str(allowance.remaining), str(allowance.reset_seconds)]
