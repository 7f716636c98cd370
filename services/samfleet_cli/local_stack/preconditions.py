"""Checks before a start: reasons for which no attempt could succeed are reported at once."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Mapping

from samfleet.config import Settings
from samfleet.errors import SamfleetError, Unavailable
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.ports import port_is_free
from samfleet_cli.local_stack.settings import StackSettings
from samfleet_cli.local_stack.unprivileged import ACCOUNT

LEAST_DISK_BYTES = 256 * 2**20  # a new database cluster with its first write-ahead log takes 60 MiB
# Settings that make a part external, by the name of its port.
_ELSEWHERE = {"postgres": "database_url", "redis": "broker_url", "triton_grpc": "pools", "triton_metrics": "pools"}


class PortTaken(Unavailable):
    """Another program uses a port from the settings; choose another port, or stop that program."""

    code = "stack_port_taken"


class AccountUnknown(SamfleetError):
    """The embedded PostgreSQL cannot run as this account; give it an entry in /etc/passwd."""

    code = "stack_account_unknown"


class DiskFull(Unavailable):
    """The disk is too full for the stack's database; free space, or choose another folder with SAMFLEET_STATE_DIR."""

    code = "stack_disk_full"


def require_startable(state_dir: StateDir, settings: Settings, stack: StackSettings) -> None:
    """Raise an error if the stack of an existing state directory cannot start. Processes of an earlier supervisor must
    have ended.
    """
    given = settings.model_fields_set
    _require_ports({name: port for name, port in stack.fixed_ports().items() if _ELSEWHERE.get(name) not in given})
    if "database_url" not in given and not (state_dir.postgres_data / "PG_VERSION").exists():
        _require_account()
        _require_disk(state_dir)


def has_account() -> bool:
    """Return True if the account of this process has a name, which PostgreSQL needs to create a cluster."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


def _require_ports(ports: Mapping[str, int]) -> None:
    for name, port in ports.items():
        if not port_is_free(port):
            variable = f"SAMFLEET_{name.upper()}_PORT"
            raise PortTaken(
                f"another program uses port {port} ({variable}); unset {variable} to use a free port, or stop that "
                f"program: ss -ltnp 'sport = {port}'"
            )


def _require_account() -> None:
    user_id = os.geteuid()
    if not has_account():
        raise AccountUnknown(
            f"user ID {user_id} has no entry in /etc/passwd, which PostgreSQL needs to create a database; "
            f"{account_remedy()}"
        )
    if user_id == 0 and not any(entry.pw_name == ACCOUNT for entry in pwd.getpwall()):
        raise AccountUnknown(
            f"PostgreSQL does not run as root, and there is no account {ACCOUNT}; "
            f"useradd --system --no-create-home {ACCOUNT}"
        )


def account_remedy() -> str:
    user_id, group_id = os.geteuid(), os.getegid()
    return f"as root: echo 'samfleet:x:{user_id}:{group_id}::/tmp:/bin/sh' >> /etc/passwd"


def _require_disk(state_dir: StateDir) -> None:
    free = shutil.disk_usage(state_dir.root).free
    if free < LEAST_DISK_BYTES:
        raise DiskFull(
            f"the disk of {state_dir.root} has {free / 2**20:.0f} MiB free, but the stack needs "
            f"{LEAST_DISK_BYTES / 2**20:.0f} MiB; free space, or choose another folder with SAMFLEET_STATE_DIR"
        )
