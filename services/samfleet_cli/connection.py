"""Choice of the API that a command uses: the given URL, or else the stack of this machine."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from samfleet.client.address import Address, address_of_stack, chosen_state_dir, require_key, stack_not_running
from samfleet.client.client import SamfleetClient
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.part import PartStatus
from samfleet_cli.local_stack.sharing import is_temporary, stack_for, using
from samfleet_cli.local_stack.stack import running_stack


@dataclass(frozen=True, slots=True)
class ApiChoice:
    """Chosen API. `api_url` None means the stack with its state in `state_dir`."""

    api_url: str | None
    api_key: str | None
    state_dir: Path


def choose_api(api_url: str | None, api_key: str | None) -> ApiChoice:
    return ApiChoice(api_url, api_key, chosen_state_dir())


@dataclass(frozen=True, slots=True)
class Connection:
    """A client. `temporary`: the stack was started for a command and ends with the last command that uses it."""

    client: SamfleetClient
    temporary: bool = False


def prepare(choice: ApiChoice, variants: Sequence[str]) -> None:
    """If a stack has to be started, check the gates of `variants` and download their weights."""
    if not choice.api_url and (is_temporary(choice.state_dir) or not running_stack(choice.state_dir)):
        from samfleet.config import Settings
        from samfleet_cli.local_stack.gates import require_gates
        from samfleet_cli.local_stack.settings import StackSettings
        from samfleet_cli.local_stack.weights import pull_missing

        settings, stack = Settings(), StackSettings()
        require_gates(settings, stack, variants)
        StateDir(choice.state_dir.resolve()).create()
        pull_missing(settings, stack, variants)


@contextmanager
def connect(choice: ApiChoice) -> Iterator[SamfleetClient]:
    """Yield a client of a running API. A temporary stack of another command is kept alive until the block ends."""
    used = nullcontext() if choice.api_url else using(choice.state_dir, _discard)
    with used, SamfleetClient(*_address(choice)) as client:
        yield client


@contextmanager
def connect_or_start(choice: ApiChoice, say: Callable[[str], None]) -> Iterator[Connection]:
    """Yield a client. Without a URL and a running stack, start one; it is stopped when its last user has ended."""
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


def _discard(_message: str) -> None:
    """Ignore a message, for commands that print only results."""


def _address(choice: ApiChoice) -> Address:
    if choice.api_url:
        return require_key(choice.api_url, choice.api_key)
    running = address_of_stack(choice.state_dir)
    if running is None:
        raise stack_not_running(choice.state_dir)
    return running


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Raise SystemExit on SIGTERM and SIGHUP, like Ctrl-C, so that a stack started for this command ends with it."""

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
