"""Choice of the API: given values, else the environment, else the stack that runs on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

from samfleet.errors import Unauthorized, Unavailable
from samfleet.process_identity import ProcessIdentity

URL_VARIABLE = "SAMFLEET_API_URL"
KEY_VARIABLE = "SAMFLEET_API_KEY"
STATE_DIR_VARIABLE = "SAMFLEET_STATE_DIR"
DEFAULT_STATE_DIR = Path(".samfleet")


class StackNotRunning(Unavailable):
    """No stack is running here; start one with `samfleet up`, or name an API."""

    code = "stack_not_running"


class ApiKeyMissing(Unauthorized):
    """The API's URL is given without a key; set --api-key or SAMFLEET_API_KEY."""

    code = "api_key_missing"


class Address(NamedTuple):
    """URL of an API and a key for it."""

    url: str
    key: str


def find_api(api_url: str | None = None, api_key: str | None = None, state_dir: Path | None = None) -> Address:
    """Return the API to use. A key without a URL is only used with a URL of the environment.

    Raises `ApiKeyMissing`, and `StackNotRunning` if nothing names an API and no stack runs in the state directory.
    """
    url = api_url or os.environ.get(URL_VARIABLE)
    if url:
        return require_key(url, api_key or os.environ.get(KEY_VARIABLE))
    folder = state_dir or chosen_state_dir()
    running = address_of_stack(folder)
    if running is None:
        raise stack_not_running(folder)
    return running


def chosen_state_dir() -> Path:
    """Return the state directory that the environment names, else the default. An empty variable counts as unset."""
    return Path(os.environ.get(STATE_DIR_VARIABLE) or DEFAULT_STATE_DIR)


def require_key(api_url: str, api_key: str | None) -> Address:
    if not api_key:
        raise ApiKeyMissing
    return Address(api_url, api_key)


def stack_not_running(state_dir: Path) -> StackNotRunning:
    return StackNotRunning(
        f"no stack is running in {state_dir}; start one with `samfleet up`, "
        f"or choose an API with --api-url or {URL_VARIABLE}"
    )


def address_of_stack(state_dir: Path) -> Address | None:
    """Return the address of this directory's stack, if its supervisor is alive. The files are those of `samfleet up`;
    the key goes to nobody else who may have got the port since.
    """
    try:
        supervisor = json.loads((state_dir / "lock").read_text(encoding="utf-8"))
        state = json.loads((state_dir / "stack.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None
    if state.get("supervisor") != supervisor or not ProcessIdentity(**supervisor).is_alive():
        return None
    return Address(state["info"]["api_url"], state["info"]["api_key"])
