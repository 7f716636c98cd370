"""Token buckets in memory, and the fields that tell a client what remains."""

from __future__ import annotations

import asyncio
import re

import pytest
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from samfleet_api.headers import AnswerHeaders
from samfleet_api.rates import MOST_CALLERS, Allowance, Policy, RateLimited, Rates, TenantRateLimited

# A list of strings with integer parameters, in the grammar of structured fields (RFC 9651).
MEMBER = r'"[ !#-\[\]-~]*"(?:;[a-z*][a-z0-9_.*-]*=-?\d{1,15})*'
LIST = re.compile(rf"{MEMBER}(?:, ?{MEMBER})*")


def fields(*allowances: Allowance) -> dict[str, str]:
    """Return the fields of a response to a request that was counted so."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        raise AssertionError

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/v1/jobs", "state": {"allowances": allowances}}
    asyncio.run(AnswerHeaders(app)(scope, receive, send))
    return dict(Headers(raw=sent[0]["headers"]))


def test_the_budget_refills_over_time_for_each_caller() -> None:
    now = 0.0
    rates = Rates(Policy.KEY, clock=lambda: now)
    assert [rates.take("a", 60).remaining for _ in range(60)] == list(range(59, -1, -1))
    for _ in range(2):  # a refused request takes nothing
        with pytest.raises(RateLimited) as refused:
            rates.take("a", 60).require()
        assert refused.value.retry_after_seconds == 1
    assert rates.take("b", 60).remaining == 59
    now = 2.0
    assert rates.take("a", 60).remaining == 1
    now = 1000.0
    assert rates.take("a", 60).remaining == 59
    assert rates.take("a", 10).remaining == 9  # a lower limit counts at once
    assert rates.take("a", 60).remaining == 8  # and a higher one fills over time


@pytest.mark.parametrize("per_minute", [1, 3, 7, 3000, 10**9])
def test_a_caller_that_waits_as_long_as_told_is_accepted(per_minute: int) -> None:
    now = 0.1
    rates = Rates(Policy.KEY, clock=lambda: now)
    for _ in range(min(per_minute, 3000)):
        rates.take("a", per_minute).require()
    for _ in range(20):
        if wait := rates.take("a", per_minute).wait_seconds:
            now += wait
            rates.take("a", per_minute).require()


def test_the_least_recent_caller_is_forgotten() -> None:
    rates = Rates(Policy.KEY, clock=lambda: 0.0)
    for caller in range(MOST_CALLERS):
        rates.take(str(caller), 5)
    assert rates.take("0", 5).remaining == 3
    rates.take("new", 5)
    assert rates.take("1", 5).remaining == 4
    assert rates.take("0", 5).remaining == 2


def test_the_error_names_whose_limit_it_is() -> None:
    with pytest.raises(RateLimited, match="this key may send 3 requests"):
        Allowance(Policy.KEY, 3, 0, 60.0, wait_seconds=20.0).require()
    with pytest.raises(TenantRateLimited, match="the keys of your tenant together may send 3 requests") as refused:
        Allowance(Policy.TENANT, 3, 0, 60.0, wait_seconds=20.0).require()
    assert refused.value.retry_after_seconds == 20


@pytest.mark.parametrize(
    ("allowance", "policy", "remaining"),
    [
        (Allowance(Policy.KEY, 100, 50, 30.0), '"key";q=100;w=60', '"key";r=50;t=30'),
        (Allowance(Policy.KEY, 100, 50, 30.001), '"key";q=100;w=60', '"key";r=50;t=31'),
        (Allowance(Policy.KEY, 3000, 2999, 0.02), '"key";q=3000;w=60', '"key";r=2999;t=1'),
        (Allowance(Policy.KEY, 1, 0, 60.0), '"key";q=1;w=60', '"key";r=0;t=60'),
        (Allowance(Policy.KEY, 1, 0, 60.0, wait_seconds=0.001), '"key";q=1;w=60', '"key";r=0;t=1'),
        (Allowance(Policy.KEY, 1, 0, 60.0, wait_seconds=59.2), '"key";q=1;w=60', '"key";r=0;t=60'),
        (Allowance(Policy.KEY, 10**9, 10**9 - 1, 6e-8), '"key";q=1000000000;w=60', '"key";r=999999999;t=1'),
    ],
)
def test_the_fields_are_lists_of_structured_fields(allowance: Allowance, policy: str, remaining: str) -> None:
    found = fields(allowance)
    assert (found["ratelimit-policy"], found["ratelimit"]) == (policy, remaining)
    assert LIST.fullmatch(policy)
    assert LIST.fullmatch(remaining)
    former = [found[f"ratelimit-{name}"] for name in ("limit", "remaining", "reset")]
    assert former == [str(allowance.limit), str(allowance.remaining), str(allowance.reset_seconds)]


@pytest.mark.parametrize(
    ("key", "tenant", "former"),
    [
        ((3000, 2900, 2.0, 0.0), (600, 20, 58.0, 0.0), ["600", "20", "58"]),
        ((3000, 10, 59.8, 0.0), (600, 20, 58.0, 0.0), ["3000", "10", "60"]),
        ((3000, 0, 60.0, 0.0), (600, 0, 60.0, 0.1), ["600", "0", "1"]),
    ],
)
def test_the_former_fields_have_the_limit_that_is_nearest(
    key: tuple[int, int, float, float], tenant: tuple[int, int, float, float], former: list[str]
) -> None:
    found = fields(Allowance(Policy.KEY, *key), Allowance(Policy.TENANT, *tenant))
    assert found["ratelimit-policy"] == '"key";q=3000;w=60, "tenant";q=600;w=60'
    assert LIST.fullmatch(found["ratelimit"])
    assert found["ratelimit"].startswith(f'"key";r={key[1]};t=')
    assert f', "tenant";r={tenant[1]};t=' in found["ratelimit"]
    assert [found[f"ratelimit-{name}"] for name in ("limit", "remaining", "reset")] == former


def test_an_uncounted_answer_has_no_fields() -> None:
    assert not any(name.startswith("ratelimit") for name in fields())
