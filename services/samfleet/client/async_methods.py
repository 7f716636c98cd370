"""Methods of the asynchronous client, made like those in `methods`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from samfleet.client.async_calls import AsyncCalls
from samfleet.client.methods import with_self
from samfleet.client.steps import Call, Pages, ask

P = ParamSpec("P")
T = TypeVar("T")


def awaited(describe: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncCalls, P], Coroutine[Any, Any, T]]:
    """Return a coroutine method that makes the call and returns its result."""

    @wraps(describe)
    async def method(client: AsyncCalls, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await client.carry_out(ask(describe(*args, **kwargs)))

    return with_self(method, describe)


def async_listing(describe: Callable[P, Pages[T]]) -> Callable[Concatenate[AsyncCalls, P], AsyncIterator[T]]:
    """Return a method for `async for` that yields the items of all pages."""

    @wraps(describe)
    def method(client: AsyncCalls, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return client.every(describe(*args, **kwargs))

    return with_self(method, describe)
