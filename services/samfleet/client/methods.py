"""Methods of the clients, made of the descriptions in `routes`, with their signatures and docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from samfleet.client.calls import Calls
from samfleet.client.steps import Call, Pages, ask

P = ParamSpec("P")
T = TypeVar("T")


def blocking(describe: Callable[P, Call[T]]) -> Callable[Concatenate[Calls, P], T]:
    """Return a method that makes the call and returns its result."""

    @wraps(describe)
    def method(client: Calls, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return client.carry_out(ask(describe(*args, **kwargs)))

    return with_self(method, describe)


def listing(describe: Callable[P, Pages[T]]) -> Callable[Concatenate[Calls, P], Iterator[T]]:
    """Return a method that yields the items of all pages."""

    @wraps(describe)
    def method(client: Calls, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return client.every(describe(*args, **kwargs))

    return with_self(method, describe)


def with_self(method: T, describe: Callable[..., Any]) -> T:
    """Give the method a signature for `help`, whose first parameter is the client."""
    client = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    signature = inspect.signature(describe)
    method.__signature__ = signature.replace(parameters=[client, *signature.parameters.values()])  # type: ignore[attr-defined]
    return method
