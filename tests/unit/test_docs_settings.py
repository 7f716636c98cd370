"""`docs/settings.md` has one row per setting, with the default and the reason stated in the code."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from samfleet.config import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "settings.md"
BACKEND = ROOT / "triton_models" / "backends" / "sam" / "model.py"


def shown(default: Any) -> str:
    if isinstance(default, timedelta):
        return f"`{default.total_seconds():g}` s"
    if isinstance(default, dict) and default:
        return "`" + ";".join(f"{name}={','.join(servers)}" for name, servers in default.items()) + "`"
    return "none" if default in (None, (), frozenset(), {}) else f"`{default}`"


def test_every_setting_is_documented_correctly() -> None:
    wanted = [
        f"| `SAMFLEET_{name.upper()}` | {shown(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `SAMFLEET_")]
    assert rows == wanted, "docs/settings.md should have these rows:\n" + "\n".join(wanted)


def test_every_variable_of_the_backend_is_documented() -> None:
    read = set(re.findall(r"SAMFLEET_[A-Z_]+", BACKEND.read_text()))
    documented = re.findall(r"^- `(SAMFLEET_[A-Z_]+)`", DOCUMENT.read_text(), re.MULTILINE)
    assert read == set(documented)
