from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from samfleet_cli.local_stack.settings import PORT_NAMES, StackSettings

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "operations.md"


def test_every_setting_has_its_row_in_the_documentation() -> None:
    rows = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `SAMFLEET_")]
    wanted = []
    for name, field in StackSettings.model_fields.items():
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        shown = "none" if default is None else f"`{default}`"
        wanted.append(f"| `SAMFLEET_{name.upper()}` | {shown} | {field.description} |")

    assert rows == wanted


def test_variants_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMFLEET_VARIANTS", "one, two,")
    assert StackSettings().variants == ("one", "two")

    monkeypatch.setenv("SAMFLEET_VARIANTS", "")
    assert StackSettings().variants == ()


def test_only_ports_that_are_set_are_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert StackSettings().fixed_ports() == {}

    monkeypatch.setenv("SAMFLEET_API_PORT", "8080")
    assert StackSettings().fixed_ports() == {"api": 8080}

    monkeypatch.setenv("SAMFLEET_API_PORT", "99999")
    with pytest.raises(ValidationError, match="api_port"):
        StackSettings()


def test_addresses_of_kubernetes_services_are_not_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PORT_NAMES:
        monkeypatch.setenv(f"SAMFLEET_{name.upper()}_PORT", "tcp://10.96.0.12:8080")
    assert StackSettings().fixed_ports() == {}
