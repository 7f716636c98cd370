"""Choice of the hardware of a question: measured machines, or one with published figures only.

A machine is a device with the same name (for a CPU also the same number of threads). Its executions and versions of
torch are separate rows of the table `hardware`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from samfleet.db.models import Hardware
from samfleet.errors import InvalidInput, NotFound
from samfleet.machine import machine_name
from samfleet.variants.survey_figures import JETSON_NANO, RTX_2080_TI, RTX_3090, XEON_6330, Condition

HERE = "this"
KINDS: Mapping[str, str] = {"cpu": "cpu", "gpu": "cuda", "cuda": "cuda"}
PUBLISHED: tuple[Condition, ...] = (RTX_3090, RTX_2080_TI, XEON_6330, JETSON_NANO)
_LEAST_ID = 4  # shorter strings are taken as names
_MOST_SUGGESTIONS = 3


class HardwareUnknown(NotFound):
    """No measured or published hardware has this name or id; GET /v1/hardware lists the measured ones."""

    code = "hardware_unknown"
    status_code = 422


class HardwareAmbiguous(InvalidInput):
    """Several machines have this name; give more of it, or the id of one."""

    code = "hardware_ambiguous"


@dataclass(frozen=True, slots=True)
class Machine:
    """A device. `ids` are its rows of hardware, one for each execution and version of torch."""

    name: str
    kind: str
    ids: frozenset[uuid.UUID]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The chosen hardware in words: machines that were measured, or a condition of published figures."""

    words: str
    machines: tuple[Machine, ...] = ()
    published: Condition | None = None
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(machine.name for machine in self.machines))

    @property
    def ids(self) -> frozenset[uuid.UUID]:
        return frozenset(one for machine in self.machines for one in machine.ids)

    @property
    def only(self) -> Machine | None:
        """The machine, if there is exactly one."""
        return self.machines[0] if len(self.machines) == 1 else None


def choose_hardware(known: Sequence[Hardware], wanted: str | None, reachable: Collection[uuid.UUID]) -> Chosen:
    """Return the hardware that `wanted` names among the `known` rows. `reachable` are those of the live pools.

    A full name precedes a part of one, so that `NVIDIA L4` does not match the L40; a measured machine precedes a
    published one. An id chooses one execution of a machine. Raises `HardwareUnknown` or `HardwareAmbiguous`.
    """
    every = machines_of(known)
    if wanted is None:
        return Chosen("every measured machine", every)
    text = wanted.strip().casefold()
    if text == HERE:
        live = tuple(machine for machine in every if machine.ids & set(reachable))
        return Chosen("the pools that are reachable now", live)
    if kind := KINDS.get(text):
        return Chosen(f"every measured {wanted}", tuple(one for one in every if one.kind == kind))
    return _named(known, every, text) or _published(text) or _unknown(every, wanted)


def machines_of(rows: Sequence[Hardware]) -> tuple[Machine, ...]:
    """Group rows of hardware by machine, in the order of their names."""
    grouped: dict[tuple[str, str], set[uuid.UUID]] = {}
    for row in rows:
        name = machine_name(row.device_kind, row.device_name, row.facts)
        grouped.setdefault((name, row.device_kind), set()).add(row.id)
    return tuple(Machine(name, kind, frozenset(ids)) for (name, kind), ids in sorted(grouped.items()))


def _named(known: Sequence[Hardware], every: Sequence[Machine], text: str) -> Chosen | None:
    exact = [one for one in every if one.name.casefold() == text]
    by_device = list(machines_of([row for row in known if row.device_name.casefold() == text]))
    by_id = machines_of([row for row in known if len(text) >= _LEAST_ID and str(row.id).startswith(text)])
    parts = [one for one in every if text and text in one.name.casefold()]
    for found in (exact, by_device, by_id, parts):
        if len(found) > 1:
            names = "; ".join(one.name for one in found)
            raise HardwareAmbiguous(f"{text!r} matches {len(found)} machines; give more of the name: {names}")
        if found:
            return Chosen(found[0].name, (found[0],))
    return None


def _published(text: str) -> Chosen | None:
    found = [one for one in PUBLISHED if text and text in one.on.casefold()]
    if len(found) > 1:
        names = "; ".join(one.on for one in found)
        raise HardwareAmbiguous(f"{text!r} matches {len(found)} published machines; give more of the name: {names}")
    return Chosen(f"{found[0].on}, by published figures only", published=found[0]) if found else None


def _unknown(every: Sequence[Machine], wanted: str) -> Chosen:
    names = {name.casefold(): name for name in (*(one.name for one in every), *(one.on for one in PUBLISHED))}
    close = get_close_matches(wanted.casefold(), names, _MOST_SUGGESTIONS)
    hint = (
        f"did you mean {' or '.join(names[one] for one in close)}?" if close else f"known: {'; '.join(names.values())}"
    )
    raise HardwareUnknown(f"no hardware matches {wanted!r}; {hint}")
