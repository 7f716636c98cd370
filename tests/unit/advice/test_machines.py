"""Choice of hardware by id, name, kind, or the name of a published machine."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from samfleet.advice.machines import HardwareAmbiguous, HardwareUnknown, choose_hardware
from samfleet.db.models import Hardware


def row(name: str, kind: str = "cuda", first: str = "1", **facts: Any) -> Hardware:
    identifier = uuid.UUID(first.ljust(32, "0"))
    return Hardware(id=identifier, device_kind=kind, device_name=name, facts={"device_kind": kind, **facts})


L4, L4_BF16, L40 = (
    row("NVIDIA L4", first="a1a1"),
    row("NVIDIA L4", first="a2a2", precision="bf16"),
    row("NVIDIA L40", first="b1b1"),
)
TWO, EIGHT = row("Test CPU", "cpu", first="c1c1", threads=2), row("Test CPU", "cpu", first="c2c2", threads=8)
KNOWN = [L4, L4_BF16, L40, TWO, EIGHT]


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        (None, KNOWN),
        ("NVIDIA L4", [L4, L4_BF16]),
        ("nvidia l4", [L4, L4_BF16]),
        ("L40", [L40]),
        ("a2a2", [L4_BF16]),
        (str(L4.id), [L4]),
        ("Test CPU (2 threads)", [TWO]),
        ("8 thread", [EIGHT]),
        ("cpu", [TWO, EIGHT]),
        ("GPU", [L4, L4_BF16, L40]),
        ("this", [L40]),
    ],
)
def test_a_machine_is_all_its_executions_and_an_id_is_one(wanted: str | None, rows: list[Hardware]) -> None:
    assert choose_hardware(KNOWN, wanted, {L40.id}).ids == {one.id for one in rows}


def test_a_published_machine_is_chosen_only_if_none_was_measured() -> None:
    chosen = choose_hardware(KNOWN, "rtx 3090", ())
    assert chosen.published is not None
    assert chosen.published.on == "RTX 3090"
    assert chosen.machines == ()
    measured = choose_hardware([*KNOWN, row("NVIDIA RTX 3090", first="d1d1")], "rtx 3090", ())
    assert measured.published is None
    assert [machine.name for machine in measured.machines] == ["NVIDIA RTX 3090"]


@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        ("NVIDIA L5", HardwareUnknown, r"did you mean NVIDIA L40 or NVIDIA L4\?|did you mean NVIDIA L4"),
        ("RTX 3080", HardwareUnknown, "did you mean RTX 3090"),
        ("quantum computer", HardwareUnknown, "known: NVIDIA L4; NVIDIA L40"),
        ("", HardwareUnknown, "no hardware matches ''"),
        ("Test", HardwareAmbiguous, r"2 machines.*Test CPU \(2 threads\); Test CPU \(8 threads\)"),
        ("RTX", HardwareAmbiguous, "2 published machines"),
    ],
)
def test_other_names_are_refused_with_suggestions(wanted: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        choose_hardware(KNOWN, wanted, ())


def test_no_live_pool_is_no_error() -> None:
    assert choose_hardware(KNOWN, "this", ()).machines == ()
