"""Work of several requests, written once for the blocking and the asynchronous client.

A flow is a generator. It yields what it wants from the outside: a request, a download or a pause. A driver carries it
out and sends the result back, or throws the error into the flow. `run` and `run_async` are the two drivers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from samfleet.client.transport import ApiError, ApiUnreachable, Retries
from samfleet.errors import SamfleetError

T = TypeVar("T")
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """Description of one request and of how to read its response, which is JSON, bytes or nothing.

    `request` has arguments of httpx. `body` returns further ones, with files that it opens again for each attempt. A
    repetition that is refused with a code of `done` means that an earlier attempt had succeeded.
    """

    method: str
    path: str
    parse: Callable[[Any], T]
    request: Mapping[str, Any] = field(default_factory=dict)
    repeatable: bool = True
    body: Callable[[ExitStack], Mapping[str, Any]] | None = None
    done: tuple[str, ...] = ()
    response: Literal["json", "bytes", "empty"] = "json"


@dataclass(frozen=True, slots=True)
class Pages(Generic[T]):
    """Description of a list that the server sends page by page."""

    path: str
    parse: Callable[[Any], T]
    params: Mapping[str, Any] = field(default_factory=dict)

    def page(self, cursor: str | None) -> Call[Any]:
        params = {"limit": PAGE, **self.params, **({} if cursor is None else {"cursor": cursor})}
        return Call("GET", self.path, _unchanged, {"params": params})


@dataclass(frozen=True, slots=True)
class Download:
    """Append the bytes of `path` from `start` on to a file. If the server has another file than `tag`, replace it."""

    path: str
    file: Path
    start: int
    tag: str


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait; `is_retry` if it stands between two attempts of one request."""

    seconds: float
    is_retry: bool = False


@dataclass(frozen=True, slots=True)
class Together:
    """Flows to carry out `at_once` at a time. They are taken from the iterator only when one can begin.

    `on_result` gets the result of each flow when it has ended, one call at a time. After an error no flow begins; those
    in progress end or are cancelled, and the first error is raised.
    """

    flows: Iterator[Steps[Any]]
    at_once: int
    on_result: Callable[[Any], None]


Step: TypeAlias = Call[Any] | Download | Pause | Together
Steps: TypeAlias = Generator[Step, Any, T]


def _unchanged(value: Any) -> Any:
    return value


def ask(call: Call[T]) -> Steps[T]:
    """Return the parsed response. The request is repeated if that can help."""
    retries, attempts = Retries(repeatable=call.repeatable), 0
    while True:
        attempts += 1
        try:
            answer = yield call
        except (ApiUnreachable, ApiError) as error:
            if attempts > 1 and isinstance(error, ApiError) and error.problem_code in call.done:
                return call.parse(None)
            delay = retries.delay(error)
        else:
            return call.parse(answer)
        yield Pause(delay, is_retry=True)


def run(steps: Steps[T], carry_out: Callable[[Step], Any]) -> T:
    """Carry out a flow and return its result."""
    with_error: Exception | None = None
    answer: Any = None
    while True:
        found = _next_step(steps, answer, with_error)
        if isinstance(found, _Ended):
            return found.result
        try:
            answer, with_error = carry_out(found), None
        except (SamfleetError, OSError) as error:
            with_error = error


async def run_async(steps: Steps[T], carry_out: Callable[[Step], Awaitable[Any]], *, in_threads: bool = False) -> T:
    """Carry out a flow and return its result, without blocking the event loop while a request is on its way.

    What the flow itself does between two steps, such as reading files, runs in the event loop, or in other threads if
    `in_threads` is set.
    """
    with_error: Exception | None = None
    answer: Any = None
    found: Step | _Ended[T]
    while True:
        if in_threads:
            found = await in_thread(_next_step, steps, answer, with_error)
        else:
            found = _next_step(steps, answer, with_error)
        if isinstance(found, _Ended):
            return found.result
        try:
            answer, with_error = await carry_out(found), None
        except (SamfleetError, OSError) as error:
            with_error = error


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function in another thread. If this is cancelled, wait for its end: the caller may be about to remove or
    close what it works on.
    """
    called: asyncio.Future[T] = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(called)
    except asyncio.CancelledError:
        await asyncio.wait([called])
        raise


@dataclass(frozen=True, slots=True)
class _Ended(Generic[T]):
    result: T


def _next_step(steps: Steps[T], answer: Any, error: Exception | None) -> Step | _Ended[T]:
    """Resume a flow. Its end is a value, because a thread cannot hand a StopIteration to a coroutine."""
    try:
        return steps.throw(error) if error else steps.send(answer)
    except StopIteration as end:
        return _Ended(end.value)
