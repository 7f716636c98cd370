"""Which API a command talks to: the one it is told, else the stack of this machine."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from samfleet.config import Settings
from samfleet.errors import Unauthorized, Unavailable
from samfleet_cli.client.client import SamfleetClient
from samfleet_cli.local_stack.gates import require_gates
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.part import PartStatus
from samfleet_cli.local_stack.settings import StackSettings
from samfleet_cli.local_stack.sharing import is_temporary, stack_for, using
from samfleet_cli.local_stack.stack import running_stack
from samfleet_cli.local_stack.weights import pull_missing


class StackNotRunning(Unavailable):
    """No stack runs here."""

    code = "stack_not_running"


class ApiKeyMissing(Unauthorized):
    """An API is named and no key for it; give one with --api-key or SAMFLEET_API_KEY."""

    code = "api_key_missing"


@dataclass(frozen=True, slots=True)
class ApiChoice:
    """`api_url` None means the stack whose state is in `state_dir`."""

    api_url: str | None
    api_key: str | None
    state_dir: Path


def choose_api(api_url: str | None, api_key: str | None) -> ApiChoice:
    return ApiChoice(api_url, api_key, StackSettings().state_dir)


@dataclass(frozen=True, slots=True)
class Connection:
    """`temporary`: the stack was started for a command and ends with the last one that uses it."""

    client: SamfleetClient
    temporary: bool = False


def prepare(choice: ApiChoice, variants: Sequence[str]) -> None:
    """Where a stack will have to be started for `variants`, see to their gates and fetch their weights."""
    if not choice.api_url and (is_temporary(choice.state_dir) or not running_stack(choice.state_dir)):
        settings, stack = Settings(), StackSettings()
        require_gates(settings, stack, variants)
        StateDir(choice.state_dir.resolve()).create()
        pull_missing(settings, stack, variants)


@contextmanager
def connect(choice: ApiChoice) -> Iterator[SamfleetClient]:
    """A client of an API that must be there already. A stack that another command has started stays until the end."""
    used = nullcontext() if choice.api_url else using(choice.state_dir, _nobody_hears)
    with used, SamfleetClient(*_address(choice)) as client:
        yield client


@contextmanager
def connect_or_start(choice: ApiChoice, say: Callable[[str], None]) -> Iterator[Connection]:
    """A client; where no API is named and no stack runs, one is started, and stopped when its last user has gone."""
    if choice.api_url:
        with connect(choice) as client:
            yield Connection(client)
        return
    with (
        _ended_by_signals(),
        stack_for(choice.state_dir, _tell_parts(say), say) as stack,
        SamfleetClient(stack.info.api_url, stack.info.api_key) as client,
    ):
        yield Connection(client, temporary=stack.temporary)


def _nobody_hears(_message: str) -> None:
    """For commands that print results alone."""


def _address(choice: ApiChoice) -> tuple[str, str]:
    if choice.api_url:
        if not choice.api_key:
            raise ApiKeyMissing
        return choice.api_url, choice.api_key
    info = running_stack(choice.state_dir)
    if info is None:
        raise StackNotRunning(
            f"no stack runs in {choice.state_dir}; start one with `samfleet up`, or name an API with --api-url"
        )
    return info.api_url, info.api_key


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP raise like Ctrl-C does, so that a stack started for this command ends with it."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    former = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _tell_parts(say: Callable[[str], None]) -> Callable[[Sequence[PartStatus]], None]:
    told: dict[str, str] = {}

    def tell(parts: Sequence[PartStatus]) -> None:
        for part in parts:
            if told.get(part.name) != part.state:
                told[part.name] = part.state
                if part.state in {"ready", "restarting", "failed"}:
                    say(f"  {part.name}: {part.state}")

    return tell
