"""`docs/settings.md` has one row per setting, with its default and its reason as the code states them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from samfleet.config import Settings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def shown(default: Any) -> str:
    if isinstance(default, timedelta):
        return f"`{default.total_seconds():g}` s"
    if isinstance(default, dict):
        return "`" + ";".join(f"{name}={','.join(servers)}" for name, servers in default.items()) + "`"
    return f"`{default}`" if default not in {None, ()} else "none"


def test_every_setting_is_documented_as_it_is() -> None:
    wanted = [
        f"| `SAMFLEET_{name.upper()}` | {shown(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `SAMFLEET_")]
    assert rows == wanted, "docs/settings.md should have these rows:\n" + "\n".join(wanted)
