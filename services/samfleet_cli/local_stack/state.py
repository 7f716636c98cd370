"""State file of the supervisor, for `status`, `down` and an `up` after a crash."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from samfleet.process_identity import ProcessIdentity
from samfleet_cli.local_stack.part import PartState, PartStatus

_VERSION = 1


@dataclass(frozen=True, slots=True)
class StackInfo:
    """Addresses of a stack. It contains secrets: the key, and passwords in the addresses."""

    state_dir: Path
    api_url: str
    api_key: str
    database_url: str
    broker_url: str
    storage_url: str
    pools: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class StackState:
    supervisor: ProcessIdentity
    info: StackInfo
    ports: Mapping[str, int]
    parts: Sequence[PartStatus]
    processes: Sequence[ProcessIdentity] = field(default=())  # of the parts, to find them after a crash


def write_state(path: Path, state: StackState) -> None:
    """Replace the file atomically. Only its owner can read it."""
    content = {"version": _VERSION, **asdict(state)}
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(content, indent=2, default=str), encoding="utf-8")
    partial.replace(path)


def read_state(path: Path) -> StackState | None:
    """Read the state. Returns None without a file of this version."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    if content.get("version") != _VERSION:
        return None
    known = {field.name for field in fields(StackInfo)}  # earlier releases wrote further fields
    info = {name: value for name, value in content["info"].items() if name in known}
    return StackState(
        supervisor=ProcessIdentity(**content["supervisor"]),
        info=StackInfo(**{**info, "state_dir": Path(info["state_dir"])}),
        ports=content["ports"],
        parts=[PartStatus(**{**part, "state": PartState(part["state"])}) for part in content["parts"]],
        processes=[ProcessIdentity(**process) for process in content["processes"]],
    )
